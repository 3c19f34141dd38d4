// Package mounted reads settings that are files, and reads them again when they change while a program runs.
//
// Tenants and keys come so: as files of an ordinary folder, or as a Kubernetes secret or config map that is mounted. A reader
// never gets the files of one version mixed with those of another: of a mount, whose versions are folders behind the link
// ..data, all files are read behind the same link; and whatever it is, it is read until two readings are alike. Contents are
// compared, so that no clock's grain hides a change. What nobody replaces in one step, such as two files of an ordinary
// folder that are written one after the other, can be seen between the steps.
//
// [Source] keeps what was made of the files; its rule for faults is that a version at fault changes as little as is safe, is
// reported once, and is never the end of the program. No error holds a byte of a file.
package mounted
