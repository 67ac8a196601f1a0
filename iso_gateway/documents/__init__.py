"""Documents that borrowers fetch by a link, and the mail that tells them where (docs/documents.md).

A library without a login to Illume cannot fetch a document there, so it gets the link by mail, from the
outbox, in the transaction in which the item is shipped. `describing` says what the mail says, `rendering`
how, `posting` puts it into the outbox; `given` finds the links that others' SHIPPED bring us. Nothing here
sends, and nothing ever fetches a link. Hosting the files themselves comes later, and has its place here. Must
not import adapters.
"""

from iso_gateway.documents.given import Given, given_in
from iso_gateway.documents.posting import ADDED, Posted, Preview, add, post, preview

__all__ = ["ADDED", "Given", "Posted", "Preview", "add", "given_in", "post", "preview"]
