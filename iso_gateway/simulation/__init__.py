"""A scripted partner: plays another library's ILL system over TCP, as a scenario file says.

For tests, for rehearsals with partners marked `test = true`, and for `make demo`. It follows every request
with the protocol machine, so that it knows what it may say; what a scenario tells it to do wrong it does here
and never through the gateway's own paths. Everything is in memory. docs/simulation.md has the file format.

    templates     the fields of a service, as a scenario writes them, made into a primitive
    scenario      what a scenario is, and how its file is read
    composing     the APDUs of a simulated partner
    script        what it knows and does: pure, time comes in
    partner       the script on the network
    demo          `make demo`: a gateway and six partners
"""
