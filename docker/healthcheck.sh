#!/bin/bash
# Exits with 0 if the emulator in this container is ready. Uses bash instead of the emulator's own `healthcheck`
# command, which would start a Node.js process every few seconds.
set -eu
# A connection to 0.0.0.0 or :: reaches this machine on Linux.
exec 3<>"/dev/tcp/${NANOPHOTO_EMULATOR_HOST:-127.0.0.1}/${NANOPHOTO_EMULATOR_PORT:-${PORT:-6266}}"
printf 'HEAD /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 -u 3 _ status _
[ "$status" = 200 ]
