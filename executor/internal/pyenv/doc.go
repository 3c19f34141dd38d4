// Package pyenv makes the Python environments that experiments run in: an interpreter of the asked version, with the
// asked requirements, built once by uv and shared by every experiment that asks for the same.
//
// It stands between the fetched workspace and the program. [Manager.Ensure] returns an environment that is complete and
// that nobody will change. What makes two environments the same is the tenant, the real interpreter (path and version)
// and the requirements, whatever their order and spelling. A marker beside the environment, written last and by the
// executor, says that it is complete; without it what lies there was left by a build that died, and is removed. Builds
// of one environment exclude each other by a lock on a file, so that several executors may share one folder.
//
// Installing runs foreign code (setup.py). It runs as [Config].User and in a group of the tenant's own, which alone may
// open the tenant's uv cache and an environment that is being built: no tenant's code can reach what another tenant will
// run. A finished environment belongs to the executor. Files come from the cache as copy-on-write clones where the file
// system can, else as hard links, else as copies (UV_LINK_MODE=clone). A hard link shares its file with the cache, which
// therefore becomes the executor's too: safe from later builds, which then copy it, since nobody may link to a file that
// they cannot write. With no User everything belongs to the executor's own user and nothing separates tenants.
//
// Environments hold no pip: few programs call it, and it costs every build. Who needs it names it as a requirement.
// They hold no byte code either, unless [Config].CompileBytecode says so.
//
// Folders: <Dir>/<tenant>/uv is the cache, envs/<key>.json the marker, envs/<key>.lock the lock, envs/<key>-<n> the
// environment, tmp/ the scratch space; <Dir>/.python/<version> holds Pythons that uv downloaded.
//
// [Manager.Tend] removes environments and caches that were used longest ago, while all together take more than
// [Config].Limit. What is used stays: who uses it holds a shared lock on envs/<key>.use or uv.use, across executors and as long
// as its process lives; the time of that file is that of the last use. Pythons stay: there are few, and environments need them.
//
// Errors: a [*RequirementsError] and an [*InterpreterError] are the experimenter's and the same on every retry. All
// others are the infrastructure's (the package index, the network, the disk, a missing uv) and may pass. No error and no
// log line holds the user part of a URL, where index passwords are. A build can read [Config].Env, so that index
// credentials given there should be able to read only.
package pyenv
