# One build, an image for each service (`--target`): each holds what its own service needs and nothing of the others.
# `make images` builds them all. It keeps to what the builders of old engines know too.

# Nothing of node's image gets into ours, so a moving tag will do there.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
ARG NODE_IMAGE=node:24-bookworm-slim

# --- what the console's pages use of npm, by the hashes of its lock file; nothing else of this stage is kept
FROM ${NODE_IMAGE} AS console
# Where packages come from, when it is not the public registry. Read by npm itself; left out, it is not set.
ARG NPM_CONFIG_REGISTRY
WORKDIR /src
COPY requirements/install-assets requirements/
COPY admin-service/assets admin-service/assets
RUN requirements/install-assets

# --- every package as a wheel: others' by hash, then our own (of pyvips there is only the source)
FROM ${PYTHON_IMAGE} AS wheels
# As above, for pip.
ARG PIP_INDEX_URL
WORKDIR /src
COPY requirements/build.txt requirements/services.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && /opt/build/bin/python -m pip wheel --no-cache-dir --no-deps --require-hashes --only-binary :all: --no-binary pyvips \
        --wheel-dir /wheels -r requirements/services.txt
COPY libs libs
COPY gateway gateway
COPY admin-service admin-service
COPY storage-element storage-element
COPY ingester-service ingester-service
COPY query-service query-service
COPY render-service render-service
COPY --from=console /src/admin-service/src/admin_service/console/static/vendor \
        admin-service/src/admin_service/console/static/vendor
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir /wheels \
        ./libs/artstore-core ./libs/artstore-kit ./libs/artstore-auth ./libs/artstore-audit ./libs/artstore-outbox \
        ./libs/artstore-postgres ./libs/artstore-tickets ./libs/artstore-transfer ./libs/artstore-stack ./gateway \
        ./admin-service ./storage-element ./ingester-service ./query-service ./render-service
# An environment without pip in it, filled from the wheels alone: what a package needs and does not name, is missing.
RUN printf '%s\n' '#!/bin/sh -eu' 'python -m venv --without-pip /opt/artstore' \
        'exec /opt/build/bin/python -m pip --python /opt/artstore/bin/python install --no-cache-dir --no-index --find-links /wheels "$@"' \
        > /usr/local/bin/fill && chmod +x /usr/local/bin/fill

# --- what all images have in common
FROM ${PYTHON_IMAGE} AS runtime
# A volume takes over the owner of the directory that it is mounted on, so they are made here.
RUN groupadd --system --gid 10001 artstore \
 && useradd --system --uid 10001 --gid artstore --home-dir /var/lib/artstore --no-create-home \
        --shell /usr/sbin/nologin artstore \
 && install -d -o artstore -g artstore -m 0700 /var/lib/artstore
ENV PATH=/opt/artstore/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/artstore
STOPSIGNAL SIGTERM
ARG PYTHON_IMAGE
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
# By number: Kubernetes can tell only so that it is not root.
USER 10001:10001

# --- makes secrets, certificates and the gateway's configuration, once; and keeps the gateway's routes to elements
FROM wheels AS init-environment
RUN fill 'artstore-gateway[elements]' artstore-tickets cryptography \
 && /opt/build/bin/python -m pip --python /opt/artstore/bin/python install --no-cache-dir --no-index --no-deps \
        --find-links /wheels artstore-stack

FROM runtime AS init
LABEL org.opencontainers.image.title="artstore/init" \
      org.opencontainers.image.description="ArtStore in containers: secrets, certificates, the gateway's routes"
USER root
RUN for name in store operator postgres migrations gateway elements routes admin se-edit-1 se-rw-1 ingester query \
        render s3 s3-data grafana ca; do install -d -o artstore -g artstore -m 0755 /init/$name; done
USER 10001:10001
COPY --from=init-environment /opt/artstore /opt/artstore
ENTRYPOINT ["python", "-m", "artstore_stack.containers"]
CMD ["/init"]

FROM wheels AS admin-environment
RUN fill admin-service

FROM runtime AS admin-service
LABEL org.opencontainers.image.title="artstore/admin-service" \
      org.opencontainers.image.description="Identity, the list of storage elements, the registry of files, the console"
COPY --from=admin-environment /opt/artstore /opt/artstore
ENV AM_HOST=0.0.0.0 AM_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-m", "artstore_kit.probe", "AM"]
ENTRYPOINT ["python", "-m", "admin_service"]
CMD ["serve"]

FROM wheels AS element-environment
RUN fill storage-element

FROM runtime AS storage-element
LABEL org.opencontainers.image.title="artstore/storage-element" \
      org.opencontainers.image.description="Keeps the bytes, and beside each file the truth about it"
USER root
RUN install -d -o artstore -g artstore -m 0700 /data
USER 10001:10001
COPY --from=element-environment /opt/artstore /opt/artstore
ENV SE_HOST=0.0.0.0 SE_PORT=8010 SE_DATA_DIR=/data
EXPOSE 8010
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-m", "artstore_kit.probe", "SE"]
ENTRYPOINT ["python", "-m", "storage_element"]
CMD ["serve"]

FROM wheels AS ingester-environment
RUN fill ingester-service

FROM runtime AS ingester-service
LABEL org.opencontainers.image.title="artstore/ingester-service" \
      org.opencontainers.image.description="Takes files in and streams them to a storage element"
COPY --from=ingester-environment /opt/artstore /opt/artstore
ENV IG_HOST=0.0.0.0 IG_PORT=8020
EXPOSE 8020
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-m", "artstore_kit.probe", "IG"]
ENTRYPOINT ["python", "-m", "ingester_service"]
CMD ["serve"]

FROM wheels AS query-environment
RUN fill query-service

FROM runtime AS query-service
LABEL org.opencontainers.image.title="artstore/query-service" \
      org.opencontainers.image.description="Finds files and gives them back"
COPY --from=query-environment /opt/artstore /opt/artstore
ENV QM_HOST=0.0.0.0 QM_PORT=8030
EXPOSE 8030
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-m", "artstore_kit.probe", "QM"]
ENTRYPOINT ["python", "-m", "query_service"]
CMD ["serve"]

FROM wheels AS render-environment
RUN fill render-service

# The only one with LibreOffice and fonts, as requirements/system.txt lists them. And with tini: a decoder that finds
# itself to be process 1's child takes its worker for dead, and somebody must take the leavings of LibreOffice's processes.
FROM runtime AS render-service
LABEL org.opencontainers.image.title="artstore/render-service" \
      org.opencontainers.image.description="Makes previews of files"
USER root
COPY requirements/system.txt /tmp/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends tini \
        $(awk '$1 == "soffice" { print $2 }' /tmp/system.txt) \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/apt /var/log/dpkg.log /tmp/system.txt
USER 10001:10001
COPY --from=render-environment /opt/artstore /opt/artstore
ENV RS_HOST=0.0.0.0 RS_PORT=8040
EXPOSE 8040
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-m", "artstore_kit.probe", "RS"]
ENTRYPOINT ["tini", "--", "python", "-m", "render_service"]
CMD ["serve"]
