#!/bin/sh
# Makes what belongs to one machine and is never overwritten: the user, the folders, a configuration to begin with,
# the master key. Run by `make install`, as root; harmless when it is run again.
set -eu
configuration=/etc/iso-gateway
state=/var/lib/iso-gateway
environment=/opt/iso-gateway

# Asked for by its whole path; else it is looked for among those of the system.
systemd-sysusers "$(cd "$(dirname "$0")" && pwd)/iso-gateway.sysusers"
# Set-gid, as partners/ below: what root puts there is of the group that has to read it, whichever way it was made.
install -d -o root -g iso-gateway -m 2750 "$configuration"
install -d -o iso-gateway -g iso-gateway -m 0700 "$state"
if ! [ -e "$configuration/gateway.toml" ]; then
    "$environment/bin/iso-gateway" init --service "$configuration"
    chown -R root:iso-gateway "$configuration"
    chmod -R u=rwX,g=rX,o= "$configuration"
fi
if [ -d "$configuration/partners" ]; then
    chgrp iso-gateway "$configuration/partners"
    chmod g+s "$configuration/partners"
fi
# A database without its key is for the operator to mend: a new key would open nothing in it.
if ! [ -e "$configuration/master.key" ] && ! [ -e "$state/gateway.db" ]; then
    "$environment/bin/python" -I -c '
import sys
from pathlib import Path
from iso_gateway.store.keyring import create_master_key
create_master_key(Path(sys.argv[1]))' "$configuration/master.key"
    chown iso-gateway:iso-gateway "$configuration/master.key"
    echo "made $configuration/master.key: keep a copy of it, apart from the backups of the database"
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    echo "next: systemctl enable --now iso-gateway (or systemctl restart iso-gateway, after an upgrade)"
else
    echo "systemd does not run here: nothing was told to it"
fi
