#!/bin/sh
# Make (or reuse) a Debian chroot that holds one major version of PostgreSQL
# with its headers and test programs, and print its path as the last line.
#
#   usage: tools/pg-chroot.sh 17|18
#
# The chroots are kept in $PGT_CHROOTS (default /var/cache/pg_trickle), since
# each costs a few hundred megabytes to fetch.  A chroot counts only once its
# last step has left the file .complete in it; anything else is made anew.
set -eu

major=${1:?usage: tools/pg-chroot.sh 17|18}
case $major in
	17) suite=trixie ;;
	18) suite=sid ;;
	*) echo "pg-chroot.sh: no Debian suite is known for PostgreSQL $major" >&2; exit 2 ;;
esac

if [ "$(id -u)" -ne 0 ]; then
	echo "pg-chroot.sh: must run as root" >&2
	exit 2
fi

base=${PGT_CHROOTS:-/var/cache/pg_trickle}
root=$base/pg$major

packages="postgresql-$major postgresql-server-dev-$major \
	gcc make libc6-dev libipc-run-perl pgbouncer python3 python3-psycopg2 pkgconf libmicrohttpd-dev"
in_chroot() {
	env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		${http_proxy:+"http_proxy=$http_proxy"} chroot "$@"
}
install_packages() { # install_packages ROOT
	# The one of systemd wants /proc, and would fail the package that calls it.
	printf '#!/bin/sh\nexit 0\n' > "$1/usr/local/sbin/systemd-tmpfiles"
	chmod 755 "$1/usr/local/sbin/systemd-tmpfiles"
	# shellcheck disable=SC2086
	in_chroot "$1" apt-get -q update &&
		in_chroot "$1" apt-get -q -y -o Dpkg::Options::=--force-confold \
			-o Dpkg::Options::=--force-unsafe-io install $packages &&
		in_chroot "$1" apt-get clean
}

if [ -e "$root/.complete" ]; then
	# one of an older tree may lack some
	# shellcheck disable=SC2086
	if ! in_chroot "$root" dpkg-query -W $packages > /dev/null 2>&1; then
		echo "pg-chroot.sh: more packages into $root" >&2
		install_packages "$root" > "$base/pg$major.log" 2>&1 || {
			tail -n 15 "$base/pg$major.log" >&2
			exit 1
		}
	fi
	echo "$root"
	exit 0
fi

# The mirror is the one this machine uses for Debian itself.
mirror=$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(CREATED_BY)' 2>/dev/null |
	awk '$2 == "Debian" && $3 == "Packages" { print $1 }' |
	grep -v -i security | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
if [ -z "$mirror" ]; then
	mirror=$(sed -n -e 's/^URIs: *\([^ ]*debian\)\/\{0,1\}\( .*\)\{0,1\}$/\1/p' \
		-e 's/^deb *\(\[[^]]*\] *\)\{0,1\}\([^ ]*debian\)\/\{0,1\} .*/\2/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
fi
if [ -z "$mirror" ]; then
	echo "pg-chroot.sh: no Debian mirror in the apt sources of this machine" >&2
	exit 2
fi

if ! command -v debootstrap >/dev/null; then
	echo "pg-chroot.sh: debootstrap is not installed" >&2
	exit 2
fi

mkdir -p "$base"
rm -rf "$root.new"
log=$base/pg$major.log
echo "pg-chroot.sh: PostgreSQL $major from Debian $suite into $root" >&2

{
	debootstrap --variant=minbase --merged-usr "$suite" "$root.new" "$mirror"

	# The release file of a suite under development may be past its date where
	# the mirror is a dated copy.
	cat > "$root.new/etc/apt/apt.conf.d/90pg_trickle" <<-CONF
	Acquire::Check-Valid-Until "false";
	Acquire::Languages "none";
	APT::Install-Recommends "false";
	CONF
	[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$root.new/etc/apt/apt.conf"
	cp /etc/resolv.conf "$root.new/etc/resolv.conf" 2>/dev/null || :

	# No daemon may start in there, and no cluster is wanted.
	printf '#!/bin/sh\nexit 101\n' > "$root.new/usr/sbin/policy-rc.d"
	chmod 755 "$root.new/usr/sbin/policy-rc.d"
	mkdir -p "$root.new/etc/postgresql-common"
	echo 'create_main_cluster = false' > "$root.new/etc/postgresql-common/createcluster.conf"

	install_packages "$root.new" &&
		touch "$root.new/.complete" &&
		rm -rf "$root" &&
		mv "$root.new" "$root"
} > "$log" 2>&1 || {
	echo "pg-chroot.sh: cannot make the chroot; the end of $log:" >&2
	tail -n 15 "$log" >&2
	exit 1
}

echo "$root"
