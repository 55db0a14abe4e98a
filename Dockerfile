# The official image of PostgreSQL, with pg_trickle in it.
#
#   docker build --build-arg PG=17 -t pg_trickle:17 .          PG: 15, 17 or 18
#   docker run -e POSTGRES_PASSWORD=... pg_trickle:17

ARG PG=17
FROM postgres:${PG}-bookworm AS build

# The image sets PG_MAJOR.
RUN apt-get update && apt-get install -y --no-install-recommends \
	gcc libc6-dev make pkgconf libmicrohttpd-dev postgresql-server-dev-$PG_MAJOR
COPY . /src
WORKDIR /src
RUN make WERROR= PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config \
	&& make WERROR= PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config install DESTDIR=/install

FROM postgres:${PG}-bookworm

RUN apt-get update && apt-get install -y --no-install-recommends libmicrohttpd12 \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /install /
# initdb copies this file into each new cluster.
RUN echo "shared_preload_libraries = 'pg_trickle'" >> /usr/share/postgresql/postgresql.conf.sample
