# One build for all services: they share every layer and differ in what they run (`--target`).

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Where packages come from, when it is not the public index. Read by pip itself; left out, it is not set.
ARG PIP_INDEX_URL
WORKDIR /src
RUN python -m venv /opt/artstore
COPY requirements/build.txt requirements/services.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && /opt/artstore/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/services.txt
COPY libs libs
COPY gateway gateway
COPY admin-service admin-service
COPY storage-element storage-element
COPY ingester-service ingester-service
COPY query-service query-service
COPY render-service render-service
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels \
        ./libs/artstore-core ./libs/artstore-kit ./libs/artstore-auth ./libs/artstore-audit ./libs/artstore-outbox ./libs/artstore-postgres ./libs/artstore-tickets ./libs/artstore-transfer \
        ./libs/artstore-client ./libs/artstore-stack ./gateway \
        ./admin-service ./storage-element ./ingester-service ./query-service ./render-service \
 && /opt/artstore/bin/python -m pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM ${PYTHON_IMAGE} AS base
# A volume takes over the owner of the directory that it is mounted on, so they are made here.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin artstore \
 && install -d -o artstore -g artstore -m 0700 /var/lib/artstore /data \
 && for name in store operator postgres migrations gateway admin se-edit-1 se-rw-1 ingester query render; do \
        install -d -o artstore -g artstore -m 0755 /init/$name; \
    done
COPY --from=build /opt/artstore /opt/artstore
ENV PATH=/opt/artstore/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/artstore
USER artstore
STOPSIGNAL SIGTERM

FROM base AS admin-service
ENV AM_HOST=0.0.0.0 AM_PORT=8000
EXPOSE 8000
ENTRYPOINT ["python", "-m", "admin_service"]
CMD ["serve"]

FROM base AS storage-element
ENV SE_HOST=0.0.0.0 SE_PORT=8010 SE_DATA_DIR=/data
EXPOSE 8010
ENTRYPOINT ["python", "-m", "storage_element"]
CMD ["serve"]

FROM base AS ingester-service
ENV IG_HOST=0.0.0.0 IG_PORT=8020
EXPOSE 8020
ENTRYPOINT ["python", "-m", "ingester_service"]
CMD ["serve"]

FROM base AS query-service
ENV QM_HOST=0.0.0.0 QM_PORT=8030
EXPOSE 8030
ENTRYPOINT ["python", "-m", "query_service"]
CMD ["serve"]

FROM base AS render-service
ENV RS_HOST=0.0.0.0 RS_PORT=8040
EXPOSE 8040
ENTRYPOINT ["python", "-m", "render_service"]
CMD ["serve"]

# Makes secrets, certificates and the gateway's configuration; runs once and ends.
FROM base AS init
ENTRYPOINT ["python", "-m", "artstore_stack.containers"]
CMD ["/init"]
