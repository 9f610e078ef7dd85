package daemonrpc

import (
	"strings"
	"testing"
)

// The node list is the largest regular reply: some 13000 nodes of 500 bytes.
func BenchmarkDecodeNodeList(b *testing.B) {
	node := `{"txhash":"` + strings.Repeat("a", 470) + `","rank":1},`
	reply := []byte(`{"result":[` + strings.Repeat(node, 13000) + `{}],"error":null,"id":7}`)
	b.SetBytes(int64(len(reply)))
	for b.Loop() {
		if _, err := decodeReply(reply, 7); err != nil {
			b.Fatal(err)
		}
	}
}
