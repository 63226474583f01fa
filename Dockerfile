# The lab on a server of one's own: `docker compose up -d lab`, or with a GPU `docker compose up -d lab-gpu`. See docs/hosting.md.
#
#   BASE          a slim Python 3.12; where Docker Hub cannot be reached, a copy of it elsewhere
#   TORCH_INDEX   where torch and torchvision come from: PyTorch's own index of wheels for the CPU (0.2 GB instead of 3), whose
#                 hashes are not in the lock; empty for the wheels with CUDA from PyPI, checked like everything else
ARG BASE=docker.io/library/python:3.12-slim-bookworm

# ---- what is to be installed. Apart, so that a new version of something small leaves the layer with torch as it is.
FROM ${BASE} AS lists
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /lists
COPY .ci/runtime requirements.txt requirements.lock ./
RUN python runtime others > others.txt \
 && if [ -n "${TORCH_INDEX}" ]; then python runtime torch --plain > torch.txt; else python runtime torch > torch.txt; fi

# ---- installing it, in a folder that is copied over: pip's own leavings stay behind
FROM ${BASE} AS packages
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python -m venv /opt/lab
COPY --from=lists /lists/torch.txt /lists/
RUN if [ -n "${TORCH_INDEX}" ]; \
    then /opt/lab/bin/pip install --no-deps --index-url "${TORCH_INDEX}" -r /lists/torch.txt; \
    else /opt/lab/bin/pip install --no-deps --require-hashes -r /lists/torch.txt; fi
COPY --from=lists /lists/others.txt /lists/
RUN /opt/lab/bin/pip install --no-deps --require-hashes -r /lists/others.txt && /opt/lab/bin/pip check

# ---- what runs. Nothing in it can be written to but /data.
FROM ${BASE}
COPY --from=packages /opt/lab /opt/lab
WORKDIR /app
COPY app.py ./
COPY checkpoints ./checkpoints
COPY reglab ./reglab
RUN /opt/lab/bin/python -m compileall -q -j 0 reglab \
 && install -d -o 10001 -g 10001 /data /data/tmp
ENV PATH=/opt/lab/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data USER=lab \
    TMPDIR=/data/tmp GRADIO_TEMP_DIR=/data/tmp/gradio \
    HF_HOME=/data/huggingface XDG_CACHE_HOME=/data/cache MPLCONFIGDIR=/data/cache/matplotlib \
    REGLAB_RUNS=/data/runs REGLAB_CACHE=/data/cache/reglab REGLAB_DEPLOYMENT=class \
    GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_ANALYTICS_ENABLED=False HF_HUB_DISABLE_TELEMETRY=1
USER 10001:10001
VOLUME /data
EXPOSE 7860
# A light route: it needs no session, and a page that is made for nobody would take a tenth of a second.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/api/', timeout=4)"]
# Python itself gets SIGTERM, with no shell before it, and has its runs stop with their snapshots.
CMD ["python", "app.py"]
