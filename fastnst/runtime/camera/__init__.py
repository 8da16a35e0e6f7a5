"""The camera, live: OpenCV for capture and window, numpy and onnxruntime; never torch."""
