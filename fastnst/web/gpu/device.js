// @ts-check
/** The graphics card, where there is one that WebGPU can use. */

const LIMITS = /** @type {const} */ (['maxStorageBufferBindingSize', 'maxBufferSize', 'maxTextureDimension2D', 'maxStorageBuffersPerShaderStage']);

/**
 * Throws an Error that says why there is none.
 * @param {boolean} anyAdapter also one that computes on the processor
 * @returns {Promise<{device: GPUDevice, card: string}>} and what the card is called
 */
export async function openDevice(anyAdapter) {
  if (!navigator.gpu) throw new Error('this browser has no WebGPU');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('there is no graphics card that WebGPU can use');
  const { isFallbackAdapter, vendor, architecture, description } = /** @type {any} */ (adapter.info ?? {});
  const isSoftware = isFallbackAdapter || /** @type {any} */ (adapter).isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${vendor} ${architecture} ${description}`);
  if (isSoftware && !anyAdapter) throw new Error('WebGPU would compute on the processor here, more slowly than WASM');
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  /** @type {GPUFeatureName[]} */
  const requiredFeatures = adapter.features.has('shader-f16') ? ['shader-f16'] : [];
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  return { device, card: isSoftware ? 'on the processor' : [vendor, architecture].filter(Boolean).join(' ') };
}
