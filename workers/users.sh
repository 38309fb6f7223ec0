#!/bin/sh
# Starts a Redis or Valkey with the users of users.acl:  sh users.sh valkey-server --appendonly yes …
# Reads the users' URLs from the files in $SECRETS (/run/secrets) and writes $USERS (/tmp/users.acl). The shell itself
# reads the passwords, so they are on no command line.
set -eu
umask 077
secrets=${SECRETS:-/run/secrets} users=${USERS:-/tmp/users.acl}
hashes=$(
    for file in "$secrets"/*_url*; do
        url=$(cat "$file") && password=${url#*://*:} && password=${password%%@*}
        case $password in '' | *[!A-Za-z0-9]*)
            echo "$file: the password in the URL must be letters and digits" >&2
            exit 2
            ;;
        esac
        hash=$(printf %s "$password" | sha256sum)
        echo "s/{${file##*/}}/${hash%% *}/"
    done
)
echo "/^#/d
/^\$/d
$hashes" | sed -f /dev/stdin "$(dirname "$0")/users.acl" | sed -e :a -e '/\\$/N; s/\\\n *//; ta' >"$users"
if grep -q '[{}]' "$users"; then
    echo "no URL under $secrets for $(sed -n 's/.*{\(.*\)}.*/\1/p' "$users" | tr '\n' ' ')" >&2
    exit 2
fi
exec "$@" --aclfile "$users"
