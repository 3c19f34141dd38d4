//go:build unix && !linux

package child

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// member is empty here: without /proc a child's own children are left to end by themselves.
type member struct{ pid int }

func (member) alive() bool { return false }

func (member) kill() error { return nil }

func descendants(int) []member { return nil }
