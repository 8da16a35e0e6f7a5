// @ts-check
/** The shaders around the network: pictures to bytes at another size, the last pass, and bytes to the canvas. */

/** Bytes of a pixel in a word, R first. */
const BYTES = `
fn unpacked(p: u32) -> vec3<f32> { return vec3<f32>(f32(p & 255u), f32((p >> 8u) & 255u), f32((p >> 16u) & 255u)); }
fn packed(v: vec3<f32>) -> u32 { let q = vec3<u32>(clamp(floor(v + 0.5), vec3<f32>(0.0), vec3<f32>(255.0))); return q.x | (q.y << 8u) | (q.z << 16u) | 0xff000000u; }`;

/**
 * A picture at another size: areas are averaged where it shrinks (one tap would alias), linear where it grows.
 * @param {'texture' | 'buffer'} from
 */
export const resampleShader = (from) => `${BYTES}
struct Sizes { width: u32, height: u32, fromWidth: u32, fromHeight: u32, mirror: u32 }
@group(0) @binding(0) var<uniform> s: Sizes;
@group(0) @binding(1) ${from === 'texture' ? 'var picture: texture_2d<f32>' : 'var<storage, read> picture: array<u32>'};
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
fn at(x: u32, y: u32) -> vec3<f32> {
  ${from === 'texture'
    ? 'let p = textureLoad(picture, vec2<u32>(x, y), 0); return floor(mix(vec3<f32>(1.0), p.rgb, p.a) * 255.0 + 0.5);' // on white
    : 'return unpacked(picture[y * s.fromWidth + x]);'}
}
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= s.width || id.y >= s.height) { return; }
  let x = select(id.x, s.width - 1u - id.x, s.mirror == 1u);
  let scale = vec2<f32>(f32(s.fromWidth), f32(s.fromHeight)) / vec2<f32>(f32(s.width), f32(s.height));
  let last = vec2<u32>(s.fromWidth - 1u, s.fromHeight - 1u);
  // A pixel covers [begin, end) of the source; where that is less than a pixel, a pixel around its centre.
  let centre = (vec2<f32>(f32(x), f32(id.y)) + 0.5) * scale;
  let reach = max(scale, vec2<f32>(1.0)) * 0.5;
  let begin = centre - reach; let end = centre + reach;
  let first = vec2<i32>(floor(begin + 1e-4)); let stop = vec2<i32>(ceil(end - 1e-4));
  var sum = vec3<f32>(0.0); var weight = 0.0;
  for (var j = first.y; j < stop.y; j++) {
    let h = min(f32(j + 1), end.y) - max(f32(j), begin.y);
    for (var i = first.x; i < stop.x; i++) {
      let w = h * (min(f32(i + 1), end.x) - max(f32(i), begin.x));
      sum += w * at(min(u32(max(i, 0)), last.x), min(u32(max(j, 0)), last.y)); weight += w;
    }
  }
  out[id.y * s.width + id.x] = packed(sum / weight);
}`;

const OPTIONS = `
struct Options { width: u32, height: u32, matteWidth: u32, matteHeight: u32, strength: f32, share: f32, keep: u32, portrait: u32 }
@group(0) @binding(0) var<uniform> o: Options;
@group(0) @binding(1) var<storage, read> photo: array<u32>;
@group(0) @binding(2) var<storage, read> one: array<u32>;
@group(0) @binding(3) var<storage, read> other: array<u32>;
const LUMA = vec3<f32>(0.299, 0.587, 0.114);
fn styled(i: u32) -> vec3<f32> { return mix(unpacked(one[i]), unpacked(other[i]), o.share); }`;

/** Sums of the luma of both pictures and of its squares, around the middle; one invocation of many a workgroup. */
export const lumaShader = `${BYTES}${OPTIONS}
@group(0) @binding(4) var<storage, read_write> parts: array<vec4<f32>>;
var<workgroup> sums: array<vec4<f32>, 64>;
@compute @workgroup_size(64) fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let count = o.width * o.height; var s = vec4<f32>(0.0);
  for (var i = g.x * 64u + t; i < count; i += n.x * 64u) {
    let a = dot(unpacked(photo[i]), LUMA) - 128.0; let b = dot(styled(i), LUMA) - 128.0; s += vec4<f32>(a, a * a, b, b * b);
  }
  sums[t] = s; workgroupBarrier();
  for (var step = 32u; step > 0u; step /= 2u) { if (t < step) { sums[t] += sums[t + step]; } workgroupBarrier(); }
  if (t == 0u) { parts[g.x] = sums[0]; }
}`;

/** Workgroups of `lumaShader`. */
export const LUMA_PARTS = 64;

/** What `finish.js` does: mixing, colours, strength, people. */
export const finishShader = `${BYTES}${OPTIONS}
@group(0) @binding(4) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> matte: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
var<workgroup> map: vec2<f32>;
fn chromaRoom(chroma: f32, target_luma: f32) -> f32 {
  if (chroma > 0.0) { return (255.0 - target_luma) / chroma; }
  if (chroma < 0.0) { return -target_luma / chroma; }
  return 1.0;
}
fn keepColour(colour: vec3<f32>, own: vec3<f32>) -> vec3<f32> {
  let luma = clamp(dot(colour, LUMA) * map.x + map.y, 0.0, 255.0); let chroma = own - dot(own, LUMA);
  let fits = min(1.0, min(chromaRoom(chroma.x, luma), min(chromaRoom(chroma.y, luma), chromaRoom(chroma.z, luma))));
  return luma + fits * chroma;
}
fn toLinear(v: vec3<f32>) -> vec3<f32> { let a = v / 255.0; return select(pow((a + 0.055) / 1.055, vec3<f32>(2.4)), a / 12.92, a <= vec3<f32>(0.04045)); }
fn toSrgb(a: vec3<f32>) -> vec3<f32> { return 255.0 * select(1.055 * pow(max(a, vec3<f32>(0.0)), vec3<f32>(1.0 / 2.4)) - 0.055, a * 12.92, a <= vec3<f32>(0.0031308)); }
fn alphaAt(x: u32, y: u32, own: vec3<f32>) -> f32 {
  let size = vec2<f32>(f32(o.matteWidth), f32(o.matteHeight));
  let p = clamp((vec2<f32>(f32(x), f32(y)) + 0.5) * size / vec2<f32>(f32(o.width), f32(o.height)) - 0.5, vec2<f32>(0.0), size - 1.0);
  let a = vec2<u32>(p); let b = min(a + 1u, vec2<u32>(o.matteWidth, o.matteHeight) - 1u); let t = p - vec2<f32>(a);
  let i = 2u * vec4<u32>(a.y * o.matteWidth + a.x, a.y * o.matteWidth + b.x, b.y * o.matteWidth + a.x, b.y * o.matteWidth + b.x);
  let m = mix(mix(matte[i.x], matte[i.y], t.x), mix(matte[i.z], matte[i.w], t.x), t.y);
  let g = mix(mix(matte[i.x + 1u], matte[i.y + 1u], t.x), mix(matte[i.z + 1u], matte[i.w + 1u], t.x), t.y);
  let alpha = m.x + dot(m.yzw, own / 255.0 - g.xyz);
  return clamp((alpha - 5.0 / 255.0) / (1.0 - 10.0 / 255.0), 0.0, 1.0);
}
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  if (t == 0u) {
    var s = vec4<f32>(0.0);
    if (o.keep == 1u) { for (var k = 0u; k < ${LUMA_PARTS}u; k++) { s += parts[k]; } }
    s /= f32(o.width * o.height);
    let spread = sqrt(max(s.w - s.z * s.z, 0.0)); let own = sqrt(max(s.y - s.x * s.x, 0.0));
    let scale = select(1.0, own / max(spread, 1e-6), spread > 1e-3);
    map = vec2<f32>(scale, select(0.0, s.x + 128.0 - (s.z + 128.0) * scale, spread > 1e-3));
  }
  workgroupBarrier();
  if (id.x >= o.width || id.y >= o.height) { return; }
  let i = id.y * o.width + id.x; let own = unpacked(photo[i]);
  var colour = styled(i);
  if (o.keep == 1u) { colour = keepColour(colour, own); }
  colour = mix(own, colour, o.strength);
  if (o.portrait > 0u) {
    let person = alphaAt(id.x, id.y, own); let alpha = select(1.0 - person, person, o.portrait == 1u);
    let blended = toSrgb(alpha * toLinear(colour) + (1.0 - alpha) * toLinear(own));
    colour = select(select(blended, own, alpha <= 1.0 / 255.0), colour, alpha >= 254.0 / 255.0);
  }
  out[i] = packed(colour);
}`;

/** Bytes to the canvas. */
export const showShader = `
struct Sizes { width: u32, height: u32 }
@group(0) @binding(0) var<uniform> s: Sizes;
@group(0) @binding(1) var<storage, read> picture: array<u32>;
@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
  return vec4<f32>(f32((i << 1u) & 2u) * 2.0 - 1.0, f32(i & 2u) * 2.0 - 1.0, 0.0, 1.0);
}
@fragment fn colour(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
  return vec4<f32>(unpack4x8unorm(picture[u32(at.y) * s.width + u32(at.x)]).rgb, 1.0);
}`;
