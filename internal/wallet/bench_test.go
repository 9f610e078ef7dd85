package wallet

import "testing"

func benchmarkVerify(b *testing.B, address, signature string) {
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(address, testPhrase, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBitcoin(b *testing.B) {
	k := newTestKey(b)
	benchmarkVerify(b, k.FluxID(), k.SignMessage(testPhrase))
}

func BenchmarkVerifyPublicKey(b *testing.B) {
	k := newTestKey(b)
	benchmarkVerify(b, k.PublicKeyHex(), k.SignMessage(testPhrase))
}

func BenchmarkVerifyEthereum(b *testing.B) {
	k := newTestKey(b)
	benchmarkVerify(b, k.EthereumAddress(), k.SignEthereum(testPhrase))
}

func BenchmarkSignMessage(b *testing.B) {
	k := newTestKey(b)
	b.ReportAllocs()
	for b.Loop() {
		k.SignMessage(testPhrase)
	}
}
