# One image for every process of a fleet: nodes (with the server programs of both flavours), control, beat, Flower, the
# exporter. `docker build .` makes it; `docker build --target control .` makes a smaller one without any server, for all
# but the nodes. deploy/README.md tells what of this has been tried, and how.

# MySQL's server comes from Debian's unstable suite, the only one that has it. The private server of a node must be of the
# primary's series or a newer one, and of the same series for a first copy by CLONE: to take another build, put its
# programs, libraries, plugins and messages below /opt/mysql in a stage of this name.
FROM debian:sid-slim AS mysql
RUN apt-get update \
 && apt-get install -y --no-install-recommends mysql-server-core mysql-client-core patchelf \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/docker/collect-mysql /usr/local/bin/
RUN collect-mysql /opt/mysql

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-dev gcc libc6-dev pkg-config libmariadb-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# What Tidemark needs first: a layer of its own, made anew only when one of these two files has changed.
RUN python3 -m venv /opt/tidemark \
 && python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > wanted \
 && /opt/tidemark/bin/pip install --no-cache-dir --constraint constraints.txt --requirement wanted
COPY README.md LICENSE beat_schedule.py celeryconfig.py flowerconfig.py ./
COPY tidemark tidemark
COPY tasks tasks
RUN /opt/tidemark/bin/pip install --no-cache-dir --no-deps . \
 && /opt/tidemark/bin/pip uninstall --yes --quiet pip

FROM debian:bookworm-slim AS control
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 libmariadb3 ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/tidemark --shell /usr/sbin/nologin tidemark \
 && install -d -o tidemark -g tidemark -m 0700 /var/lib/tidemark \
 && install -d -m 0755 /etc/tidemark
COPY --from=build /opt/tidemark /opt/tidemark
ENV PATH=/opt/tidemark/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDEMARK_CONFIG=/etc/tidemark/tidemark.toml
WORKDIR /var/lib/tidemark
VOLUME /var/lib/tidemark
USER tidemark
# celery's warm shutdown: the step that is running ends first. Give the container time for it (stop_grace_period).
STOPSIGNAL SIGTERM
CMD ["tidemark", "--help"]

FROM control AS node
USER root
RUN apt-get update \
 && apt-get install -y --no-install-recommends mariadb-server-core mariadb-client \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o tidemark -g tidemark -m 0750 /var/lib/mysql-files
COPY --from=mysql /opt/mysql /opt/mysql
ENV PATH=/opt/tidemark/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
USER tidemark
