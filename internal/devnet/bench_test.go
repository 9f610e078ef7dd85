package devnet

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestBenchmarkReportsItsTier(t *testing.T) {
	c := newChain(t, func(c *Config) { c.Height = 4 })
	b, err := NewBench(c, BenchConfig{User: testUser, Password: testPassword, Tier: Nimbus})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		IPAddress, Status, Error, Benchmarking string
		Cores                                  int
		SSD                                    float64
	}
	report := func(method string) {
		t.Helper()
		reply, _ := call(t, b, method)
		if reply.Error != nil {
			t.Fatal(reply.Error)
		}
		decode(t, reply.Result, &got)
	}
	report("getbenchmarks")
	report("getstatus")
	if got.IPAddress != "198.18.0.1:16127" || got.Benchmarking != "NIMBUS" || got.Cores != 8 || got.SSD < 440 {
		t.Errorf("got %+v", got)
	}
	b.SetStatus("failed", "too slow")
	report("getbenchmarks")
	if got.Status != "failed" || got.Error != "too slow" {
		t.Errorf("failed benchmark: got %+v", got)
	}
	call(t, b, "restartnodebenchmarks")
	report("getbenchmarks")
	if got.Status != "NIMBUS" {
		t.Errorf("restarted benchmark: got %+v", got)
	}
	if _, err := NewBench(c, BenchConfig{Tier: 4}); err == nil {
		t.Error("an unknown tier was accepted")
	}
}

func TestBenchmarkSignsConfirmationsOnly(t *testing.T) {
	c := newChain(t, func(c *Config) { c.Height = 4 })
	b, err := NewBench(c, BenchConfig{User: testUser, Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	var made, signed struct{ Hex, Status, Tier string }
	decode(t, mustCall(t, c, "createconfirmationtransaction"), &made)
	reply, _ := call(t, b, "signzelnodetransaction", made.Hex)
	decode(t, reply.Result, &signed)
	x, err := decodeTx(unhex(t, signed.Hex))
	if err != nil || signed.Status != "complete" || signed.Tier != "CUMULUS" || len(x.Node.BenchSig) != 65 {
		t.Errorf("got %+v, %v", signed, err)
	}
	start := hex.EncodeToString(c.nodes.own().startTx(1).encode(true))
	if reply, _ := call(t, b, "signfluxnodetransaction", start); reply.Error == nil || !strings.Contains(reply.Error.Message, "Only confirm") {
		t.Errorf("a start transaction: got %+v", reply)
	}
	for _, m := range []string{"getpublickey", "encryptmessage", "decryptmessage", "decryptrsamessage"} {
		if reply, _ := call(t, b, m); reply.Error == nil || !strings.Contains(reply.Error.Message, "not available on devnet") {
			t.Errorf("%s: got %+v", m, reply)
		}
	}
	if reply, status := call(t, b, "nosuch"); status != 404 || reply.Error.Code != codeMethod {
		t.Errorf("an unknown method: got HTTP %d, %+v", status, reply.Error)
	}
}
