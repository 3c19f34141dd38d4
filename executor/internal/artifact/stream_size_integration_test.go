//go:build integration

package artifact

const streamed = 2 << 30
