package wallet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func addVectors(f *testing.F, ethereum bool) {
	f.Helper()
	seen := map[string]bool{}
	for _, v := range readVectors(f).Vectors {
		if seen[v.Kind] || strings.HasPrefix(v.Kind, "ethereum") != ethereum || v.MessageRepeat.Count > 0 {
			continue
		}
		seen[v.Kind] = true
		f.Add(v.Address, v.Message, v.Signature)
	}
}

func checkVerify(t *testing.T, address, message, signature string) {
	err := Verify(address, message, signature)
	if err != nil {
		if !isVerifyError(err) {
			t.Fatalf("error of no known sort: %v", err)
		}
		return
	}
	if again := Verify(address, message+"x", signature); !errors.Is(again, ErrMismatch) && !errors.Is(again, ErrSignature) {
		t.Errorf("the signature verifies over another message too: %v", again)
	}
	if app := VerifyAppMessage(address, message, signature); app != nil && !errors.Is(app, ErrEncoding) {
		t.Errorf("as application message: %v", app)
	}
}

func FuzzVerifyBitcoin(f *testing.F) {
	addVectors(f, false)
	f.Fuzz(func(t *testing.T, address, message, signature string) {
		checkVerify(t, address, message, signature)
		sig, err := decodeBitcoinSignature(signature)
		if err != nil {
			return
		}
		if len(sig) != compactSize || sig[0] < headerUncompressed || sig[0] >= headerEnd {
			t.Fatalf("decoded to %x", sig)
		}
		plain, err := decodeBitcoinSignature(base64.StdEncoding.EncodeToString(sig))
		if err != nil || !bytes.Equal(plain, sig) {
			t.Errorf("in plain base64: got %x, %v, want %x", plain, err, sig)
		}
	})
}

func FuzzVerifyEthereum(f *testing.F) {
	addVectors(f, true)
	f.Fuzz(func(t *testing.T, address, message, signature string) {
		checkVerify(t, address, message, signature)
		sig, err := decodeEthereumSignature(signature)
		if err != nil {
			return
		}
		if len(sig) != compactSize || sig[0] != headerUncompressed && sig[0] != headerUncompressed+1 {
			t.Fatalf("decoded to %x", sig)
		}
		lower, err := decodeEthereumSignature(strings.ToLower(signature))
		if err != nil || !bytes.Equal(lower, sig) {
			t.Errorf("in lower case: got %x, %v, want %x", lower, err, sig)
		}
	})
}

func FuzzBase58Check(f *testing.F) {
	f.Add("")
	f.Add("1111111111111111111114oLvT2")
	f.Add("3QJmnh")
	f.Add("KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn")
	f.Add(strings.Repeat("z", base58MaxText+1))
	f.Fuzz(func(t *testing.T, text string) {
		payload, err := decodeBase58Check(text)
		if err != nil {
			return
		}
		if got := encodeBase58Check(payload); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{
		"14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv", "3DyJZDM4gsr1wWLd9GTR4Du5sQDHvd5SFZ",
		"t1LUs6quf7TB2zVZmexqPQdnqmrFMGZGjV6", "t3aGJvdtd8NR6GrnqnRuVEzH6MbrXuJFLUX", "bc1q",
		encodeBase58Check(append([]byte{0, 5}, make([]byte, 20)...)),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if got := a.String(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		if ValidFluxID(text) && a.Version > 0xFF {
			t.Errorf("%q has version %04x and passes as a Flux ID", text, a.Version)
		}
	})
}

func FuzzParseWIF(f *testing.F) {
	f.Add("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ")
	f.Add("KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn")
	f.Add("cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA")
	f.Add("14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseWIF(text)
		if err != nil {
			return
		}
		if got := k.WIF(); got != text {
			t.Errorf("got another text back than the %d characters read", len(text))
		}
		if err := Verify(k.FluxID(), testPhrase, k.SignMessage(testPhrase)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseSIWE(f *testing.F) {
	f.Add(siweMinimal)
	f.Add(siweFull)
	f.Add(strings.ReplaceAll(siweFull, "\n", "\r\n"))
	f.Add(strings.Replace(siweMinimal, "32891757", testPhrase, 1))
	f.Add(siweMinimal + "\nResources:")
	f.Add(siweMinimal + "\nRequest ID: ")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSIWE(text)
		if err != nil {
			if !errors.Is(err, ErrSIWEFormat) {
				t.Errorf("error of no known sort: %v", err)
			}
			return
		}
		if got := s.String(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		if !LooksLikeSIWE(text) {
			t.Error("LooksLikeSIWE denies what ParseSIWE reads")
		}
		issued, err := parseDateTime(s.IssuedAt)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(SIWECheck{Domains: []string{s.Domain}, Now: issued}); err != nil && !errors.Is(err, ErrSIWENotYetValid) && !errors.Is(err, ErrSIWEExpired) {
			t.Errorf("at the time and place of its issue: %v", err)
		}
		if phrase, ok := s.Phrase(); ok && !isLoginPhrase(phrase) {
			t.Errorf("%q is no login phrase", phrase)
		}
	})
}
