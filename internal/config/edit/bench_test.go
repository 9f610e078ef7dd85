package edit

import (
	"testing"

	"github.com/fluxosd/fluxosd/internal/config"
)

func BenchmarkRewriteOfTheSample(b *testing.B) {
	sample := []byte(config.Sample())
	changes := []change{set(b, "node.kadena", "kadena:k:0123456789abcdef?chainid=0")}
	b.SetBytes(int64(len(sample)))
	for b.Loop() {
		if _, err := rewrite(sample, changes); err != nil {
			b.Fatal(err)
		}
	}
}
