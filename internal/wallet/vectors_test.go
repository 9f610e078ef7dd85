package wallet

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is one signature and what the reference implementation said of it.
type vector struct {
	ID            int
	Kind          string
	Key           string
	Compressed    bool
	Address       string
	Message       string
	MessageRepeat struct {
		Char  string
		Count int
	} `json:"message_repeat"`
	Signature       string
	VerifySignature bool
}

func (v vector) text() string {
	if v.MessageRepeat.Count > 0 {
		return strings.Repeat(v.MessageRepeat.Char, v.MessageRepeat.Count)
	}
	return v.Message
}

type vectorFile struct {
	Keys []struct {
		Label   string
		PrivKey string
	}
	Count   int
	Vectors []vector
}

func readTestdata(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
}

func readVectors(t testing.TB) vectorFile {
	t.Helper()
	var f vectorFile
	readTestdata(t, "signature-vectors.json", &f)
	if f.Count == 0 || len(f.Vectors) != f.Count {
		t.Fatalf("got %d vectors, the file promises %d", len(f.Vectors), f.Count)
	}
	return f
}

// The kinds of vectors on which fluxosd differs from the reference by design,
// if the reference's Ethereum encoding of the message differs from EIP-191.
const (
	kindPersonalSign = "ethereum-personal-sign"
	kindUpstreamHash = "ethereum-signed-with-upstream-hash (differs from personal_sign)"
)

var deviatingKinds = map[string]struct {
	verify bool   // what Verify says
	count  int    // vectors concerned
	reason string // why it differs
}{
	kindPersonalSign: {true, 21, "what every wallet produces for such a message; the reference's digest is not EIP-191"},
	kindUpstreamHash: {false, 22, "a digest that no wallet produces"},
}

// deviates reports, from the vectors alone, whether fluxosd judges v otherwise
// than the reference did.
func deviates(v vector) bool {
	return v.Kind == kindUpstreamHash || v.Kind == kindPersonalSign && !v.VerifySignature
}

func TestVerifyAnswersLikeTheNetwork(t *testing.T) {
	deviating := map[string]int{}
	for _, v := range readVectors(t).Vectors {
		want := v.VerifySignature
		if deviates(v) {
			deviating[v.Kind]++
			want = deviatingKinds[v.Kind].verify
		}
		err := Verify(v.Address, v.text(), v.Signature)
		if (err == nil) != want {
			t.Errorf("vector %d, %s: got %v, want valid=%v", v.ID, v.Kind, err, want)
		}
		if err != nil && !isVerifyError(err) {
			t.Errorf("vector %d, %s: error of no known sort: %v", v.ID, v.Kind, err)
		}
	}
	for kind, d := range deviatingKinds {
		if deviating[kind] != d.count {
			t.Errorf("%s: %d vectors deviate, want %d (%s)", kind, deviating[kind], d.count, d.reason)
		}
	}
}

func TestVerifyAppMessageRefusesWhatTheNetworkEncodesDifferently(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		err := VerifyAppMessage(v.Address, v.text(), v.Signature)
		if got, want := errors.Is(err, ErrEncoding), deviates(v); got != want {
			t.Errorf("vector %d, %s: refused for its encoding: %v, want %v", v.ID, v.Kind, got, want)
		}
		if want := v.VerifySignature && !deviates(v); (err == nil) != want {
			t.Errorf("vector %d, %s: got %v, want valid=%v", v.ID, v.Kind, err, want)
		}
	}
}

// isVerifyError reports whether err wraps exactly one of the sorts that Verify promises.
func isVerifyError(err error) bool {
	sorts := 0
	for _, sort := range []error{ErrAddress, ErrMessage, ErrSignature, ErrMismatch} {
		if errors.Is(err, sort) {
			sorts++
		}
	}
	return sorts == 1
}

func TestSigningGivesTheBytesOfTheVectors(t *testing.T) {
	f := readVectors(t)
	keys := map[string]*Key{}
	for _, k := range f.Keys {
		key, err := ParsePrivateKeyHex(k.PrivKey)
		if err != nil {
			t.Fatalf("key %s: %v", k.Label, err)
		}
		keys[k.Label] = key
	}
	signed := map[string]int{}
	for _, v := range f.Vectors {
		k := *keys[v.Key]
		k.compressed = v.Compressed
		var got, identity string
		switch v.Kind {
		case "bitcoin-compressed", "bitcoin-uncompressed", "empty-message":
			got, identity = k.SignMessage(v.text()), k.FluxID()
		case "pubkey-as-address":
			got, identity = k.SignMessage(v.text()), k.PublicKeyHex()
		case kindPersonalSign:
			got, identity = k.SignEthereum(v.text()), k.EthereumAddress()
		default:
			continue
		}
		signed[v.Kind]++
		if got != v.Signature {
			t.Errorf("vector %d, %s: signature: got %s, want %s", v.ID, v.Kind, got, v.Signature)
		}
		if identity != v.Address {
			t.Errorf("vector %d, %s: identity: got %s, want %s", v.ID, v.Kind, identity, v.Address)
		}
	}
	want := map[string]int{"bitcoin-compressed": 32, "bitcoin-uncompressed": 29, "empty-message": 8, "pubkey-as-address": 15, kindPersonalSign: 72}
	if diff := cmp.Diff(want, signed); diff != "" {
		t.Errorf("vectors signed (-want +got):\n%s", diff)
	}
}

func TestLoginsOfARealNode(t *testing.T) {
	var f struct {
		Logins []struct {
			Note, FluxID, Phrase, Signature string
			Accepted                        bool
		}
	}
	readTestdata(t, "logins.json", &f)
	accepted, refused := 0, 0
	for _, l := range f.Logins {
		if !ValidFluxID(l.FluxID) {
			t.Errorf("%s: %s is no Flux ID", l.Note, l.FluxID)
		}
		if !isLoginPhrase(l.Phrase) {
			t.Errorf("%s: %s is no login phrase", l.Note, l.Phrase)
		}
		err := Verify(l.FluxID, l.Phrase, l.Signature)
		if (err == nil) != l.Accepted {
			t.Errorf("%s: got %v, want accepted=%v", l.Note, err, l.Accepted)
		}
		if l.Accepted {
			accepted++
		} else {
			refused++
		}
	}
	if accepted != 10 || refused != 3 {
		t.Errorf("got %d accepted and %d refused logins, want 10 and 3", accepted, refused)
	}
}
