/*
 * What V8 does where it has a sandbox, as in Electron: Node refuses buffers over memory that is not V8's own. Loaded by LD_PRELOAD;
 * addons of napi-rs look the functions of Node up by `dlsym`, and get these.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* napi_no_external_buffers_allowed */
enum { REFUSED = 22 };

static int refuse(void *env, void *data, size_t length, void *finalize, void *hint, void *result) {
  (void)env, (void)data, (void)length, (void)finalize, (void)hint, (void)result;
  return REFUSED;
}

static int refuse_buffer(void *env, size_t length, void *data, void *finalize, void *hint, void *result) {
  (void)env, (void)length, (void)data, (void)finalize, (void)hint, (void)result;
  return REFUSED;
}

void *dlsym(void *handle, const char *name) {
  static void *(*real)(void *, const char *);
  /* The versions of glibc in which it first stood: all machines since 2.34, before that arm64 and x64. */
  static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
  for (size_t i = 0; real == NULL && i < sizeof versions / sizeof *versions; i++)
    *(void **)&real = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
  if (strcmp(name, "napi_create_external_arraybuffer") == 0) return (void *)refuse;
  if (strcmp(name, "napi_create_external_buffer") == 0) return (void *)refuse_buffer;
  return real(handle, name);
}
