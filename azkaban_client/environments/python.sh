# Runs the Python that this project brings; the first time on a machine it is unpacked.
set -eu
fail() {
  echo "azk-python: $*" >&2
  exit 1
}
here=$(dirname -- "$(readlink -f -- "$0")")
machine=$(uname -m)
[ "$machine" = "{{machine}}" ] || fail "the project's packages are for {{machine}}, this machine is $machine"
[ -n "${AZK_ENVIRONMENTS:-${XDG_CACHE_HOME:-${HOME:-}}}" ] ||
  fail "there is no HOME to unpack the project's packages to: set AZK_ENVIRONMENTS"
all=${AZK_ENVIRONMENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/azk/environments}
archive={{archive}}
home=$all/${archive%.tar.gz}

unpack() {
  # Those that nothing has used for a month go.
  for old in "$all"/python-*/.azk-used; do
    if [ -n "$(find "$old" -mtime +30 2>/dev/null)" ]; then
      rm -rf -- "${old%/.azk-used}"
    fi
  done
  new=$(mktemp -d "$all/.new-XXXXXX")
  trap 'rm -rf -- "$new"' EXIT
  echo "azk-python: unpacking $archive to $home" >&2
  tar -xzf "$here/$archive" -C "$new"
  "$new/bin/python" -c '' || fail "the project's packages do not run on this machine"
  touch "$new/.azk-used"
  # A rename: nobody sees half of it. Whoever comes second finds it there.
  mv -T -- "$new" "$home" 2>/dev/null || [ -e "$home/.azk-used" ] || fail "cannot write $home"
}

if [ ! -e "$home/.azk-used" ]; then
  (
    umask 077
    mkdir -p -- "$all"
    # Jobs that start together wait for the one that unpacks.
    exec 9>"$all/.lock"
    if command -v flock >/dev/null; then flock 9; fi
    [ -e "$home/.azk-used" ] || unpack
  )
fi
touch -c "$home/.azk-used" 2>/dev/null || true
exec "$home/bin/python" "$@"
