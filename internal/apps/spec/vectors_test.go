package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// load reads recorded decisions of the network from testdata.
func load[T any](t testing.TB, name string) T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

type vector struct {
	What      string
	Height    int
	Stage     string
	Error     string
	Spec      json.RawMessage
	Input     json.RawMessage
	Formatted string
}

func vectors(t testing.TB, name string) []vector {
	t.Helper()
	v := load[struct{ Vectors []vector }](t, name).Vectors
	if len(v) == 0 {
		t.Fatalf("%s has no vectors", name)
	}
	return v
}

// message is the text of an error that the caller may read.
func message(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v isn't an error for the caller", err)
	}
	return err.Error()
}

func TestFormatIsTheNetworks(t *testing.T) {
	for _, v := range vectors(t, "spec-format-vectors.json") {
		t.Run(v.What, func(t *testing.T) {
			got, err := Format(v.Input)
			if string(got) != v.Formatted || message(t, err) != v.Error {
				t.Errorf("got  %s %q\nwant %s %q", got, message(t, err), v.Formatted, v.Error)
			}
		})
	}
}

func TestValidSpecificationsAreAccepted(t *testing.T) {
	for _, v := range vectors(t, "app-spec-valid.json") {
		t.Run(v.What, func(t *testing.T) {
			s, err := Read(v.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(s.Canonical()); got != v.Formatted {
				t.Errorf("got  %s\nwant %s", got, v.Formatted)
			}
			if err := s.Verify(Context{Height: v.Height}); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestInvalidSpecificationsAreRefusedWithTheNetworksWords(t *testing.T) {
	for _, v := range vectors(t, "app-spec-invalid.json") {
		t.Run(v.What, func(t *testing.T) {
			raw := []byte(v.Spec)
			if !strings.Contains(v.What, "without formatting") {
				formatted, err := Format(raw)
				if got := message(t, err); v.Stage == "format" {
					if got != v.Error {
						t.Errorf("formatting: got %q, want %q", got, v.Error)
					}
					return
				} else if got != "" {
					t.Fatalf("formatting refuses: %s", got)
				}
				raw = formatted
			}
			s, err := Parse(raw)
			if err == nil {
				err = s.Verify(Context{Height: v.Height})
			}
			if got := message(t, err); got != v.Error {
				t.Errorf("got %q, want %q", got, v.Error)
			}
		})
	}
}

func TestMessagesHashAndSignAsOnTheNetwork(t *testing.T) {
	type recorded struct {
		What           string
		SignedString   string
		HashedString   string
		HashCheck      any
		OwnerSignature any `json:"ownerSignatureCheck"`
		Message        struct {
			Type           string
			Version        int
			Specifications json.RawMessage `json:"appSpecifications"`
			Hash           string
			Timestamp      int64
			Signature      string
		}
	}
	all := load[struct{ AppMessage []recorded }](t, "message-hash-vectors.json")
	if len(all.AppMessage) < 6 {
		t.Error("vectors are missing")
	}
	for _, v := range all.AppMessage {
		t.Run(v.What, func(t *testing.T) {
			m := Message{
				Type: v.Message.Type, Version: v.Message.Version, Specification: v.Message.Specifications,
				Timestamp: v.Message.Timestamp, Signature: v.Message.Signature, Hash: v.Message.Hash,
			}
			want, _ := v.HashCheck.(string)
			if got := message(t, m.CheckHash()); got != want {
				t.Errorf("hash: %q, want %q", got, want)
			}
			texts, err := m.SignedTexts()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(texts, v.SignedString) {
				t.Errorf("the signed text isn't among %q", texts)
			}
			hashed := strings.TrimSuffix(strings.TrimPrefix(v.HashedString, m.Type+"1"), "1762000000000"+m.Signature)
			if got := MessageHash(m.Type, MessageVersion, []byte(hashed), m.Timestamp, m.Signature); got != m.Hash {
				t.Errorf("hash %s, want %s", got, m.Hash)
			}
			s, err := Read(m.Specification)
			if err != nil {
				t.Fatal(err)
			}
			signed := slices.ContainsFunc(texts, func(text string) bool { return wallet.VerifyAppMessage(s.Owner, text, m.Signature) == nil })
			if want, _ := v.OwnerSignature.(bool); signed != want {
				t.Errorf("signed by the owner: %v, want %v", signed, want)
			}
			m.Hash = strings.Repeat("0", 64)
			if m.CheckHash() == nil {
				t.Error("a wrong hash is accepted")
			}
		})
	}
}

func TestOwnersOfEveryKindSign(t *testing.T) {
	all := load[struct {
		MessageSignature []struct {
			What, Message, Signer, Signature string
			Valid                            bool
		}
		Ethereum []struct{ Message, Signature, Signer string }
	}](t, "message-hash-vectors.json")
	for _, v := range all.MessageSignature {
		if got := wallet.VerifyAppMessage(v.Signer, v.Message, v.Signature) == nil; got != v.Valid {
			t.Errorf("%s: %v", v.What, got)
		}
	}
	signed := 0
	for _, v := range all.Ethereum {
		if v.Signature == "" {
			continue
		}
		signed++
		if err := wallet.VerifyAppMessage(v.Signer, v.Message, v.Signature); err != nil {
			t.Errorf("%s: %v", v.Message, err)
		}
	}
	if len(all.MessageSignature) < 7 || signed < 2 {
		t.Error("vectors are missing")
	}
}

func TestPricesAreTheNetworksToTheCent(t *testing.T) {
	all := load[struct {
		Specs    map[string]json.RawMessage
		PerMonth []struct {
			Spec      string
			Height    int
			Table     string
			RowHeight int
			Price     float64
		}
		Registration []struct {
			Spec               string
			Expire             *int
			Height             int
			RegistrationMin    float64
			RegistrationMinSat float64
		}
		Update []struct {
			NewSpec, PreviousSpec     string
			NewExpire, PreviousExpire *int
			PreviousHeight, Height    int
			UpdateMin, EffectiveMin   float64
		}
		EnterprisePorts []struct {
			Port       int
			Enterprise bool
		}
	}](t, "price-vectors.json")
	spec := func(name string, expire *int) *Spec {
		t.Helper()
		s, err := Read(all.Specs[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.Expire = 0
		if expire != nil {
			s.Expire = *expire
		}
		return s
	}
	table := Prices()
	for _, v := range all.PerMonth {
		row, ok := table.At(v.Height)
		if v.Table == "usd" {
			row = USDPrices()
		}
		if !ok || row.Height != v.RowHeight {
			t.Errorf("row at %d is that of %d, want %d", v.Height, row.Height, v.RowHeight)
		}
		if got := spec(v.Spec, nil).PeriodPrice(row, v.Height); got != v.Price {
			t.Errorf("%s at %d in %s: %v, want %v", v.Spec, v.Height, v.Table, got, v.Price)
		}
	}
	for _, v := range all.Registration {
		got := table.RegistrationPrice(spec(v.Spec, v.Expire), v.Height)
		if got != v.RegistrationMin || got*1e8 != v.RegistrationMinSat {
			t.Errorf("registration of %s at %d: %v, want %v", v.Spec, v.Height, got, v.RegistrationMin)
		}
		enough := int64(v.RegistrationMinSat + 0.5)
		if !Enough(enough, got) || Enough(enough-1, got) {
			t.Errorf("%v isn't paid by exactly %d", got, enough)
		}
	}
	for _, v := range all.Update {
		got := table.WrittenUpdatePrice(spec(v.NewSpec, v.NewExpire), v.Height, spec(v.PreviousSpec, v.PreviousExpire), v.PreviousHeight)
		if got != v.UpdateMin {
			t.Errorf("update of %s to %s at %d: %v, want %v", v.PreviousSpec, v.NewSpec, v.Height, got, v.UpdateMin)
		}
		if got := table.UpdatePrice(v.Height); got != v.EffectiveMin {
			t.Errorf("update at %d demands %v, want %v", v.Height, got, v.EffectiveMin)
		}
	}
	for _, v := range all.EnterprisePorts {
		if got := EnterprisePort(v.Port); got != v.Enterprise {
			t.Errorf("port %d: %v", v.Port, got)
		}
	}
	if len(all.PerMonth) < 300 || len(all.Registration) < 12 || len(all.Update) < 7 || len(all.EnterprisePorts) < 11 {
		t.Error("vectors are missing")
	}
}

func TestLifeEndsWhenTheNetworkSays(t *testing.T) {
	all := load[struct {
		Expiry []struct {
			RegisteredAt    int
			Expire          *int
			LastValidHeight int
		}
		PriceRow []struct {
			Height    int
			RowHeight *int
		}
	}](t, "explorer-vectors.json")
	for _, v := range all.Expiry {
		expire := 0
		if v.Expire != nil {
			expire = *v.Expire
		}
		if got := LastHeight(v.RegisteredAt, expire); got != v.LastValidHeight {
			t.Errorf("%d for %d blocks ends at %d, want %d", v.RegisteredAt, expire, got, v.LastValidHeight)
		}
	}
	for _, v := range all.PriceRow {
		row, ok := Prices().At(v.Height)
		if ok != (v.RowHeight != nil) || ok && row.Height != *v.RowHeight {
			t.Errorf("row at %d: %v %v", v.Height, row.Height, ok)
		}
	}
	if len(all.Expiry) < 8 || len(all.PriceRow) < 7 {
		t.Error("vectors are missing")
	}
}

func TestFreeUpdatesAreTheNetworks(t *testing.T) {
	type partial struct {
		Height, Expire, Instances int
		StaticIP                  bool
		Nodes                     []string
		Compose                   []struct {
			Name          string
			CPU, RAM, HDD float64
			Ports         []int
		}
	}
	all := load[struct {
		Vectors []struct {
			What            string
			Current, Update partial
			Height          int
			RecentUpdates   []int
			Free            bool
			ExpireAfter     int
		}
	}](t, "free-update-vectors.json")
	spec := func(p partial) *Spec {
		s := &Spec{Version: 8, Expire: p.Expire, Instances: p.Instances, StaticIP: p.StaticIP, Nodes: p.Nodes}
		for _, c := range p.Compose {
			s.Components = append(s.Components, Component{Name: c.Name, Ports: c.Ports, Hardware: Hardware{c.CPU, c.RAM, c.HDD}})
		}
		return s
	}
	if len(all.Vectors) < 15 {
		t.Error("vectors are missing")
	}
	for _, v := range all.Vectors {
		t.Run(v.What, func(t *testing.T) {
			expire, free := FreeUpdate(spec(v.Current), v.Current.Height, spec(v.Update), v.Height, v.RecentUpdates)
			if free != v.Free || expire != v.ExpireAfter {
				t.Errorf("free %v, expire %d; want %v, %d", free, expire, v.Free, v.ExpireAfter)
			}
		})
	}
}

// recordedMount is a mount in the shape of the vectors.
type recordedMount struct {
	Type           string
	Subdir         string
	ContainerPath  string
	Flags          []string
	IsFile         bool
	ComponentIndex int
}

type recordedMounts struct {
	ContainerData string
	Input         string
	Mounts        []recordedMount
	LocalPaths    []struct {
		Name          string
		IsFile        bool
		ContainerPath string
	}
	RequiredLocalPaths []struct {
		Name          string
		IsFile        bool
		ContainerPath string
	}
	SyncMode string
	Error    string
}

func TestMountsAreReadAsOnTheNetwork(t *testing.T) {
	all := load[struct{ Valid, Invalid []recordedMounts }](t, "mount-parser-vectors.json")
	local := load[struct{ Parse []recordedMounts }](t, "local-mounts.json")
	if len(all.Valid) < 25 || len(all.Invalid) < 23 || len(local.Parse) < 48 {
		t.Error("vectors are missing")
	}
	for _, v := range slices.Concat(all.Valid, all.Invalid, local.Parse) {
		data := v.ContainerData + v.Input
		t.Run(data, func(t *testing.T) {
			mounts, err := ParseMounts(data)
			if got := message(t, err); got != v.Error {
				t.Fatalf("error %q, want %q", got, v.Error)
			}
			var got []recordedMount
			paths := slices.Concat(v.LocalPaths, v.RequiredLocalPaths)
			for _, m := range mounts {
				flags := []string{}
				if m.Flags != "" {
					flags = strings.Split(m.Flags, "")
				}
				got = append(got, recordedMount{string(m.Kind), m.Name, m.Path, flags, m.IsFile(), m.Component})
				if !m.IsLocal() {
					continue
				}
				if len(paths) == 0 || paths[0].Name != m.Name || paths[0].IsFile != m.IsFile() || paths[0].ContainerPath != m.Path {
					t.Errorf("local path %+v, want %+v", m, paths)
					continue
				}
				paths = paths[1:]
			}
			if d := cmp.Diff(v.Mounts, got); d != "" || len(paths) > 0 {
				t.Errorf("mounts (-want +got):\n%s%v", d, paths)
			}
			if got := SyncMode(data); got != v.SyncMode {
				t.Errorf("sync mode %q, want %q", got, v.SyncMode)
			}
		})
	}
}

func TestBindsReachOnlyVolumesOfEarlierComponents(t *testing.T) {
	type component struct{ Name, ContainerData string }
	all := load[struct {
		ConstructVolumes []struct {
			Identifier string
			Component  string
			Spec       struct {
				Version             int
				Name, ContainerData string
				Compose             []component
			}
			OK    []struct{ Source, Target string }
			Error string
		}
	}](t, "local-mounts.json")
	if len(all.ConstructVolumes) < 7 {
		t.Error("vectors are missing")
	}
	for _, v := range all.ConstructVolumes {
		s := &Spec{Version: v.Spec.Version, Name: v.Spec.Name}
		if s.Version <= 3 {
			v.Spec.Compose = []component{{v.Spec.Name, v.Spec.ContainerData}}
		}
		at := -1
		for i, c := range v.Spec.Compose {
			s.Components = append(s.Components, Component{Name: c.Name, ContainerData: c.ContainerData})
			if c.Name == v.Component {
				at = i
			}
		}
		if got := s.Identifier(at); got != Identifier(v.Identifier) {
			t.Errorf("identifier %s, want that of %s", got, v.Identifier)
		}
		binds, err := s.Binds(at)
		if got := message(t, err); got != v.Error {
			t.Errorf("%s: error %q, want %q", v.Identifier, got, v.Error)
		}
		if len(binds) != len(v.OK) {
			t.Errorf("%s: %+v, want %+v", v.Identifier, binds, v.OK)
			continue
		}
		for i, b := range binds {
			if want := v.OK[i]; "<APPS>/"+b.Volume+"/"+b.Name != want.Source || b.Path != want.Target || b.File != strings.HasSuffix(b.Name, ".yml") {
				t.Errorf("%s: %+v, want %+v", v.Identifier, b, want)
			}
		}
	}
}

func TestLocationRulesAreTheNetworks(t *testing.T) {
	all := load[struct {
		Vectors []struct {
			Node        struct{ ContinentCode, CountryCode, RegionName string }
			Geolocation []string
			Candidate   bool
			Requirement string
		}
	}](t, "geolocation-vectors.json")
	if len(all.Vectors) < 55 {
		t.Error("vectors are missing")
	}
	for _, v := range all.Vectors {
		here := Location{v.Node.ContinentCode, v.Node.CountryCode, v.Node.RegionName}
		if got := Candidate(v.Geolocation, here); got != v.Candidate {
			t.Errorf("%v in %v: candidate %v", v.Geolocation, here, got)
		}
		if got := message(t, LocationFits(v.Geolocation, here)); got != v.Requirement {
			t.Errorf("%v in %v: %q, want %q", v.Geolocation, here, got, v.Requirement)
		}
	}
}

func TestIdentifiersKeepOldNames(t *testing.T) {
	all := load[struct {
		Identifiers []struct{ Input, Identifier string }
		BaseNames   []struct{ Input, Base string }
	}](t, "local-names.json")
	if len(all.Identifiers) < 7 || len(all.BaseNames) < 7 {
		t.Error("vectors are missing")
	}
	for _, v := range all.Identifiers {
		if got := Identifier(v.Input); got != v.Identifier {
			t.Errorf("%s: %s, want %s", v.Input, got, v.Identifier)
		}
	}
	for _, v := range all.BaseNames {
		if got := BaseName(v.Input); got != v.Base {
			t.Errorf("%s: %s, want %s", v.Input, got, v.Base)
		}
	}
}
