"""Published weights of the perceptual networks: their addresses, and their inputs' normalization."""

from __future__ import annotations

from dataclasses import dataclass

from fastnst.download import RemoteFile
from fastnst.perceptual.architectures import CAFFE, TORCHVISION, Preprocessing

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_PYTORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class WeightSet:
    """One published set of weights: the file and the preprocessing that it was trained with."""

    file: RemoteFile
    preprocessing: Preprocessing


# Keras publishes MD5 sums for its files, torchvision puts the first digits of the SHA-256 into the file name. What was
# verified is cached trimmed, as .safetensors, with the SHA-256 of its weights inside (`fastnst.perceptual.cached`).
WEIGHT_SETS: dict[tuple[str, str], WeightSet] = {
    ("vgg19", "oxford"): WeightSet(
        RemoteFile(
            f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "md5:253f8cb515780f3b799900260a226db6",
            80_134_624,
        ),
        CAFFE,
    ),
    ("vgg16", "oxford"): WeightSet(
        RemoteFile(
            f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "md5:6d6bbae143d832006294945121d1f1fc",
            58_889_256,
        ),
        CAFFE,
    ),
    ("vgg19", "imagenet"): WeightSet(
        RemoteFile(f"{_PYTORCH}/vgg19-dcbb9e9d.pth", "sha256:dcbb9e9d", 574_673_361), TORCHVISION
    ),
    ("vgg16", "imagenet"): WeightSet(
        RemoteFile(f"{_PYTORCH}/vgg16-397923af.pth", "sha256:397923af", 553_433_881), TORCHVISION
    ),
    ("alexnet", "imagenet"): WeightSet(
        RemoteFile(f"{_PYTORCH}/alexnet-owt-7be5be79.pth", "sha256:7be5be79", 244_408_911), TORCHVISION
    ),
}
