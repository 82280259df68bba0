# docker build -t thorax . && docker run --rm -v "$PWD":/work -w /work thorax dvc repro
# The project itself is mounted, so that results stay when the container ends.
FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'
WORKDIR /thorax
COPY . .
RUN make .venv/installed
ENV PATH=/thorax/.venv/bin:$PATH
