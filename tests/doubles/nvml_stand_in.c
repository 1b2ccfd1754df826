/* A small libnvidia-ml.so.1 without a card: what it says stands in a text file, read anew at every call.
 *
 * NVML_STAND_IN names the file, with one `<device>.<field> <value>` a line. A device is a card's index, or a card's
 * and a slice's such as `0:1`; `driver.init` and `driver.epoch` are about the library as a whole. A value of
 * `unsupported`, `denied` or `lost` is that error of NVML; so is a field that is not there: unsupported.
 * While driver.hangs is yes, a question for memory has no answer.
 * A driver.epoch that changes makes the library uninitialized, as if another part of the process had shut it down.
 * Each nvmlInit and nvmlShutdown is a line in the file's neighbor `<file>.calls`. As with the real library, a handle
 * is of no use after the library was begun anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, UNKNOWN = 999 };

typedef struct { char name[16]; int generation; } Device;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Utilization;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } Process;

static int users, generation;
static char epoch[64];

/* The value of a field; 0 if the file has none. */
static int look_up(const char *device, const char *field, char *value, size_t size) {
    char line[512], key[64];
    const char *path = getenv("NVML_STAND_IN");
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    if (!file) return 0;
    snprintf(key, sizeof key, "%s.%s ", device, field);
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%s", line + strlen(key));
            found = 1;
        }
    }
    fclose(file);
    return found;
}

static void note(const char *call) {
    char path[4096];
    snprintf(path, sizeof path, "%s.calls", getenv("NVML_STAND_IN"));
    FILE *file = fopen(path, "a");
    if (file) { fprintf(file, "%s\n", call); fclose(file); }
}

static int is_up(void) {
    char now[64] = "";
    look_up("driver", "epoch", now, sizeof now);
    if (users && strcmp(now, epoch) != 0) users = 0;
    return users > 0;
}

static int text_of(const Device *device, const char *field, char *value, size_t size) {
    char state[64] = "";
    if (!is_up()) return UNINITIALIZED;
    if (device->generation != generation) return INVALID_ARGUMENT;
    if (look_up(device->name, "state", state, sizeof state) && strcmp(state, "lost") == 0) return GPU_IS_LOST;
    if (!look_up(device->name, field, value, size) || strcmp(value, "unsupported") == 0) return NOT_SUPPORTED;
    if (strcmp(value, "denied") == 0) return NO_PERMISSION;
    if (strcmp(value, "lost") == 0) return GPU_IS_LOST;
    return OK;
}

static int number_of(const Device *device, const char *field, unsigned long long *number) {
    char value[256];
    int status = text_of(device, field, value, sizeof value);
    if (status == OK) *number = strtoull(value, NULL, 10);
    return status;
}

static int handle_of(const char *name, Device **handle) {
    Device asked = {"", generation};
    char uuid[256];
    snprintf(asked.name, sizeof asked.name, "%s", name);
    int status = text_of(&asked, "uuid", uuid, sizeof uuid);
    if (status == NOT_SUPPORTED) return NOT_FOUND;
    if (status != OK) return status;
    *handle = malloc(sizeof **handle); /* a handle has no end in NVML */
    **handle = asked;
    return OK;
}

const char *nvmlErrorString(int status) { (void)status; return "an error of the stand-in"; }

int nvmlInitWithFlags(unsigned int flags) {
    char value[64] = "ok";
    (void)flags;
    note("init");
    look_up("driver", "init", value, sizeof value);
    if (strcmp(value, "not loaded") == 0) return DRIVER_NOT_LOADED;
    if (strcmp(value, "broken") == 0) return UNKNOWN;
    if (!is_up()) { generation++; epoch[0] = 0; look_up("driver", "epoch", epoch, sizeof epoch); }
    users++;
    return OK;
}

int nvmlShutdown(void) {
    note("shutdown");
    if (!is_up()) return UNINITIALIZED;
    users--;
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    char name[16], uuid[256];
    if (!is_up()) return UNINITIALIZED;
    for (*count = 0; snprintf(name, sizeof name, "%u", *count), look_up(name, "uuid", uuid, sizeof uuid); ++*count) {}
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, Device **handle) {
    char name[16];
    snprintf(name, sizeof name, "%u", index);
    return handle_of(name, handle);
}

int nvmlDeviceGetMigMode(Device *device, unsigned int *current, unsigned int *pending) {
    unsigned long long mode;
    int status = number_of(device, "mig", &mode);
    if (status == OK) *current = *pending = (unsigned int)mode;
    return status;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned int *count) {
    (void)device;
    *count = 7;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned int index, Device **handle) {
    char name[32], state[64];
    if (text_of(device, "uuid", state, sizeof state) == GPU_IS_LOST) return GPU_IS_LOST;
    snprintf(name, sizeof name, "%s:%u", device->name, index);
    return handle_of(name, handle);
}

int nvmlDeviceGetUUID(Device *device, char *uuid, unsigned int size) { return text_of(device, "uuid", uuid, size); }

int nvmlDeviceGetName(Device *device, char *name, unsigned int size) { return text_of(device, "name", name, size); }

int nvmlDeviceGetMemoryInfo(Device *device, Memory *memory) {
    char hangs[16] = "";
    while (look_up("driver", "hangs", hangs, sizeof hangs) && strcmp(hangs, "yes") == 0) usleep(10000);
    int status = number_of(device, "total_mib", &memory->total);
    if (status == OK) status = number_of(device, "used_mib", &memory->used);
    memory->total <<= 20;
    memory->used <<= 20;
    memory->free = memory->total - memory->used;
    return status;
}

int nvmlDeviceGetUtilizationRates(Device *device, Utilization *rates) {
    unsigned long long gpu, memory;
    int status = number_of(device, "gpu_percent", &gpu);
    if (status == OK) status = number_of(device, "memory_percent", &memory);
    if (status == OK) *rates = (Utilization){(unsigned int)gpu, (unsigned int)memory};
    return status;
}

int nvmlDeviceGetPowerUsage(Device *device, unsigned int *milliwatts) {
    unsigned long long value;
    int status = number_of(device, "milliwatts", &value);
    if (status == OK) *milliwatts = (unsigned int)value;
    return status;
}

int nvmlDeviceGetTemperature(Device *device, unsigned int sensor, unsigned int *degrees) {
    unsigned long long value;
    int status = number_of(device, "degrees", &value);
    (void)sensor;
    if (status == OK) *degrees = (unsigned int)value;
    return status;
}

/* Processes stand as `12=2048,13=?`: the pid, and MiB or that it is not known. */
static int processes_of(Device *device, const char *field, unsigned int *count, Process *into) {
    char value[512], *rest = value, *one;
    unsigned int found = 0;
    int status = text_of(device, field, value, sizeof value);
    if (status != OK) return status;
    for (; (one = strsep(&rest, ",")) && *one; found++) {
        char *used = strchr(one, '=');
        if (into && found < *count)
            into[found] = (Process){(unsigned int)atoi(one), used[1] == '?' ? -1ULL : strtoull(used + 1, NULL, 10) << 20,
                                    0, 0};
    }
    status = found > *count ? INSUFFICIENT_SIZE : OK;
    *count = found;
    return status;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned int *count, Process *into) {
    return processes_of(device, "computing", count, into);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *device, unsigned int *count, Process *into) {
    return processes_of(device, "drawing", count, into);
}
