//go:build !integration

package artifact

// streamed is enough to tell a stream from a copy in memory, and little enough for every run of the tests.
const streamed = 128 << 20
