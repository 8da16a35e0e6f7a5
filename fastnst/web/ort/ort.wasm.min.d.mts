// Of onnxruntime-web, for tsc: what the page calls.
export const env: any;
export const InferenceSession: any;
export const Tensor: any;
