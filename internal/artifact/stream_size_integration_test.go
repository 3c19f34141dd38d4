//go:build integration

package artifact

const streamed = 1 << 30
