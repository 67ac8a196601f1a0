"""Noticing what is missing, before Illume moves a request on.

Theory of operation. Every few minutes `gathering` reads facts out of the store, and `rules` say, of the facts
and the moment alone, what a person has to know: notices, each with a key. `keeping` compares them with the
rows of the table `attention`. A key without a row is raised: a row and an event. A row without a notice has
lost its cause: it clears itself, and an event says so. What an operator clears stays cleared while its cause
lasts, and is raised anew only when the cause has gone and come again. Partners that are late are asked by
Status-Query (`asking`), where their profile says that they take one.

Nothing here holds patron data: a notice names requests and messages by number.
"""
