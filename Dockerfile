# Restyle photos, folders and clips without installing anything but Docker:
#   docker build -t fastnst .
#   docker run --rm -v "$PWD:/work" fastnst stylize photo.jpg --style starry_night -o out.jpg
# On an NVIDIA GPU:
#   docker build -t fastnst-gpu --build-arg ENGINE=gpu .
#   docker run --rm --gpus all -v "$PWD:/work" fastnst-gpu stylize in.mp4 --style starry_night -o out.mp4
# With training: --build-arg EXTRAS=,video,train
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY fastnst fastnst
COPY weights weights
COPY configs configs
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /wheels .

FROM python:${PYTHON}-slim
# cpu, fastcpu (bfloat16 on recent CPUs) or gpu: one of them.
ARG ENGINE=fastcpu
ARG EXTRAS=,video,heic
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[${ENGINE}${EXTRAS}]" && rm -r /wheels \
    && useradd --create-home artist && mkdir /work && chown artist /work
USER artist
WORKDIR /work
ENTRYPOINT ["fastnst"]
CMD ["--help"]
