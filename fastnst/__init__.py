"""fastnst: one small feed-forward network per painting style; photos, video and the webcam in real time."""

__version__ = "0.2.0"
