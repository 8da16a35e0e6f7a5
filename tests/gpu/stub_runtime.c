// A CUDA runtime without a GPU: allocations, copies and graph calls work on ordinary memory, kernels do nothing.
// Compiled by stub_cuda.py into libcudart. Tests read the counters and let calls fail.
#include <stdlib.h>
#include <string.h>
#include <driver_types.h>

enum { MOST = 64, MOST_PAGES = 4096 };
static struct { const char *name; long count; long fail_after; } calls[MOST];
static struct { char *start; size_t size; } locked[MOST_PAGES];

static int slot(const char *name) {
  int i = 0;
  while (i < MOST - 1 && calls[i].name && strcmp(calls[i].name, name)) i++;
  if (!calls[i].name) { calls[i].name = strdup(name); calls[i].fail_after = -1; }
  return i;
}
static int called(const char *name, int error) {
  int i = slot(name);
  calls[i].count++;
  if (calls[i].fail_after < 0) return 0;
  if (calls[i].fail_after > 0) { calls[i].fail_after--; return 0; }
  return error;
}
// For tests: how often something was called, and from which call on it fails (-1: never).
long stub_count(const char *name) { return calls[slot(name)].count; }
void stub_fail(const char *name, long after) { calls[slot(name)].fail_after = after; }

static int is_locked(const char *p) {
  for (int i = 0; i < MOST_PAGES; i++)
    if (locked[i].start && p >= locked[i].start && p < locked[i].start + locked[i].size) return 1;
  return 0;
}
static void *room(size_t n) { return aligned_alloc(256, (n + 255) / 256 * 256 + 256); }
static int lock(void **p, size_t n) {
  int error = called("lock", 2);
  if (error) return error;
  *p = room(n);
  for (int i = 0; i < MOST_PAGES; i++)
    if (!locked[i].start) { locked[i].start = *p; locked[i].size = n; break; }
  return 0;
}
static int copy(void *to, const void *from, size_t n, int kind) {
  if (n > 1000) {  // pictures and feature maps, not shapes
    static const char *names[] = {"host to host", "up", "down", "device to device", "any"};
    int error = called(names[kind], 700);
    if (error) return error;
    if (kind == 1 && is_locked(from)) called("up from locked", 0);
    if (kind == 2 && is_locked(to)) called("down to locked", 0);
  }
  memcpy(to, from, n);
  return 0;
}
int cudaMalloc(void **p, size_t n) { *p = room(n); return called("malloc", 2); }
int cudaMallocHost(void **p, size_t n) { return lock(p, n); }
int cudaHostAlloc(void **p, size_t n, unsigned flags) { return lock(p, n); }
int cudaFree(void *p) { free(p); return 0; }
int cudaFreeHost(void *p) {
  for (int i = 0; i < MOST_PAGES; i++)
    if (locked[i].start == p) locked[i].start = 0;
  free(p);
  return 0;
}
int cudaMemcpy(void *to, const void *from, size_t n, int kind) { return copy(to, from, n, kind); }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *stream) { return copy(to, from, n, kind); }
int cudaMemset(void *p, int value, size_t n) { memset(p, value, n); return 0; }
int cudaMemsetAsync(void *p, int value, size_t n, void *stream) { memset(p, value, n); return 0; }
int cudaGetDeviceCount(int *n) { *n = 1; return called("device", 100); }
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = MAJOR * 1000; return 0; }
int cudaDriverGetVersion(int *version) { *version = MAJOR * 1000; return 0; }
int cudaMemGetInfo(size_t *unused, size_t *total) { *unused = 70ull << 30; *total = 80ull << 30; return 0; }
int cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  memset(p, 0, sizeof *p);
  strcpy(p->name, "Stub");
  p->major = 9; p->minor = 0; p->multiProcessorCount = 132; p->warpSize = 32; p->maxThreadsPerBlock = 1024;
  p->sharedMemPerBlock = 49152; p->sharedMemPerBlockOptin = 232448; p->sharedMemPerMultiprocessor = 233472;
  p->totalGlobalMem = 80ull << 30; p->l2CacheSize = 50 << 20;
  return 0;
}
int cudaGetDeviceProperties_v2(struct cudaDeviceProp *p, int device) { return cudaGetDeviceProperties(p, device); }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 1;  // compute 9.0, 132 processors
  return 0;
}
int cudaStreamCreate(void **s) { *s = malloc(8); return 0; }
int cudaStreamCreateWithFlags(void **s, unsigned flags) { *s = malloc(8); return 0; }
int cudaEventCreate(void **s) { *s = malloc(8); return 0; }
int cudaEventCreateWithFlags(void **s, unsigned flags) { *s = malloc(8); return 0; }
static int capturing = 0;
int cudaStreamBeginCapture(void *stream, int mode) { capturing = 1; return called("capture", 900); }
int cudaStreamEndCapture(void *stream, void **graph) { capturing = 0; *graph = malloc(8); return called("captured", 901); }
int cudaStreamIsCapturing(void *stream, int *status) { *status = capturing; return 0; }
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) { *executable = malloc(8); return 0; }
int cudaGraphLaunch(void *executable, void *stream) { return called("replay", 700); }
int cudaStreamSynchronize(void *stream) { return called("synchronize", 700); }
int cudaDeviceSynchronize(void) { return 0; }
int cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  memset(a, 0, sizeof *a);
  a->type = cudaMemoryTypeDevice;
  return 0;
}
void *__cudaRegisterFatBinary(void *binary) { static void *handle = &handle; return &handle; }
const char *cudaGetErrorString(int error) { return "an error of the stub"; }
const char *cudaGetErrorName(int error) { return "stubError"; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int b, size_t s, unsigned x) { *n = 2; return 0; }
int cudaLaunchKernel(void) { called("launch", 0); return 0; }
