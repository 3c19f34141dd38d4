"""Hunts, as an experiment, for what experiments must not see. Its input is hunt.json; the needles are scrambled there, so that
neither the file nor this program is a find. Of its own process the memory is left out, which has them in clear."""
import json, os, re, subprocess, sys

hunt = json.load(open("hunt.json"))
needles = {name: bytes(b ^ 0x5A for b in bytes.fromhex(text)) for name, text in hunt["needles"].items()}
own = str(os.getpid())
seen = {"files": 0, "denied": 0, "processes": 0, "environs": 0, "memories": 0, "descriptors": 0}


def look(where, data):
    for name, needle in needles.items():
        if needle in data:
            print("FOUND", name, "in", where, flush=True)


def scan(where, take, limit=256 << 20):
    """Looks at what take gives, a piece after the other; a needle may lie across two."""
    last = b""
    while limit > 0 and (part := take(1 << 20)):
        look(where, last + part)
        last = part[-200:]
        limit -= len(part)


def file_of(path):
    """Looks into a file; false where it may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        seen["denied"] += 1
        return False
    try:
        scan(path, lambda n: os.read(fd, n))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def memory(pid):
    try:
        maps, mem = open(f"/proc/{pid}/maps", "rb").read(), open(f"/proc/{pid}/mem", "rb", 0)
    except OSError:
        return
    with mem:
        for line in maps.splitlines():
            region = re.match(rb"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not region:
                continue
            at, end = (int(x, 16) for x in region.groups())
            try:
                mem.seek(at)
                scan(f"/proc/{pid}/mem", lambda n: mem.read(min(n, end - mem.tell())))
                seen["memories"] += 1
            except (OSError, OverflowError, ValueError):
                continue


def process(pid):
    seen["processes"] += 1
    for name in ("environ", "cmdline", "auxv", "comm", "status", "maps"):
        if file_of(f"/proc/{pid}/{name}") and name == "environ":
            seen["environs"] += 1
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            seen["descriptors"] += file_of(f"/proc/{pid}/fd/{fd}")
    except OSError:
        pass
    if pid != own:
        memory(pid)


def file(path, young=True):
    try:
        info = os.lstat(path)
    except OSError:
        return
    if (info.st_mode & 0o170000) != 0o100000 or young and max(info.st_mtime, info.st_ctime) < hunt["began"]:
        return
    seen["files"] += file_of(path)


def walk(top, young):
    for folder, folders, names in os.walk(top):
        if folder == "/":
            folders[:] = [f for f in folders if f not in ("proc", "sys", "dev")]
        look(folder, " ".join(names).encode("utf-8", "replace"))
        for name in names:
            file(os.path.join(folder, name), young)


control = hunt["control"]
child = subprocess.Popen(["sleep", "600"], env={"PLANTED": bytes(b ^ 0x5A for b in bytes.fromhex(control)).decode()})
try:
    look("os.environ", repr(sorted(os.environ.items())).encode())
    for pid in filter(str.isdigit, os.listdir("/proc")):
        process(pid)
    for path in hunt["paths"]:
        file(path, young=False)
    for top in (hunt["root"], os.environ["STUDIOML_HOME"] + "/..", "/dev/shm"):
        walk(top, young=False)
    walk("/", young=True)
finally:
    child.kill()
    child.wait()
print("HUNTED", *(f"{k}={v}" for k, v in seen.items()), flush=True)
