#!/bin/sh
# The operator's command: as the user of the service, to whom the database and its key belong.
set -eu
export ISO_GATEWAY_CONFIG="${ISO_GATEWAY_CONFIG:-/etc/iso-gateway/gateway.toml}"
if [ "$(id -u)" -eq 0 ]; then
    exec setpriv --reuid=iso-gateway --regid=iso-gateway --init-groups /opt/iso-gateway/bin/iso-gateway "$@"
fi
exec /opt/iso-gateway/bin/iso-gateway "$@"
