#!/bin/sh
# Find prometheus, promtool and prometheus-postgres-exporter for the tests of
# monitoring/, and print the directory that they are in.
#
# Debian's packages are fetched and unpacked into $PGT_CHROOTS/prometheus
# (default /var/cache/pg_trickle/prometheus), not installed: installing would
# start services, and bring 200 MB that only the web pages of Prometheus need.
# Root is not needed where that directory may be written.
set -eu

programs="prometheus promtool prometheus-postgres-exporter"

have() { # have DIRECTORY
	for p in $programs; do
		[ -x "$1/$p" ] || return 1
	done
}

root=${PGT_CHROOTS:-/var/cache/pg_trickle}/prometheus
for dir in /usr/bin "$root/usr/bin"; do
	if have "$dir"; then
		echo "$dir"
		exit 0
	fi
done

command -v dpkg-deb > /dev/null || {
	echo "prometheus.sh: this is no Debian; put $programs into $root/usr/bin" >&2
	exit 1
}
work=$(mktemp -d "${TMPDIR:-/tmp}/pgt.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
(
	cd "$work"
	apt-get -q download prometheus prometheus-postgres-exporter
	mkdir unpacked
	for p in *.deb; do
		dpkg-deb --fsys-tarfile "$p" | tar -C unpacked -xf - ./usr/bin
	done
) > "$work/log" 2>&1 || {
	echo "prometheus.sh: cannot fetch Debian's packages:" >&2
	tail -n 5 "$work/log" >&2
	exit 1
}
have "$work/unpacked/usr/bin" || {
	echo "prometheus.sh: Debian's packages lack some of $programs" >&2
	exit 1
}
mkdir -p "$(dirname "$root")"
rm -rf "$root"
mv "$work/unpacked" "$root"
echo "$root/usr/bin"
