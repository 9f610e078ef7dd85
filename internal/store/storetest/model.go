package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/testproc"
)

// model is the collection of outputs as a slice, in order of insertion.
type model []output

func (m model) at(txid string, vout int) int {
	return slices.IndexFunc(m, func(o output) bool { return o.TxID == txid && o.Vout == vout })
}

// agreesWithModel carries out random calls on the store and on a slice.
func agreesWithModel(t *testing.T, s store.Store) {
	testproc.FewChecks(t, 15)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		if _, err := s.Clear(ctx, outputs); err != nil {
			t.Fatal(err)
		}
		var m model
		txid, vout := rapid.SampledFrom([]string{"a", "b", "A", "$a", ""}), rapid.IntRange(-1, 2)
		draw := func(t *rapid.T) (output, int, store.Filter) {
			o := output{txid.Draw(t, "txid"), vout.Draw(t, "vout"), rapid.StringN(0, 4, -1).Draw(t, "note")}
			return o, m.at(o.TxID, o.Vout), store.Where("txid", o.TxID).And("vout", store.Eq, o.Vout)
		}
		expect := func(t *rapid.T, err, want error) {
			if !errors.Is(err, want) {
				t.Fatalf("got error %v, want %v", err, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				o, i, _ := draw(t)
				err := s.Insert(ctx, outputs, o)
				if i >= 0 {
					expect(t, err, store.ErrDuplicate)
					return
				}
				expect(t, err, nil)
				m = append(m, o)
			},
			"upsert": func(t *rapid.T) {
				o, i, key := draw(t)
				expect(t, s.Upsert(ctx, outputs, key, o), nil)
				if i < 0 {
					m = append(m, o)
				} else {
					m[i] = o
				}
			},
			"update": func(t *rapid.T) {
				o, _, _ := draw(t)
				n, err := s.Update(ctx, outputs, store.Where("txid", o.TxID), store.Set{"note": o.Note})
				expect(t, err, nil)
				for i := range m {
					if m[i].TxID == o.TxID {
						m[i].Note = o.Note
						n--
					}
				}
				if n != 0 {
					t.Fatalf("matched %d too many", n)
				}
			},
			"take": func(t *rapid.T) {
				_, i, key := draw(t)
				var got output
				err := s.Take(ctx, outputs, key, &got)
				if i < 0 {
					expect(t, err, store.ErrNotFound)
					return
				}
				expect(t, err, nil)
				if got != m[i] {
					t.Fatalf("took %v, want %v", got, m[i])
				}
				m = slices.Delete(m, i, i+1)
			},
			"delete": func(t *rapid.T) {
				limit := vout.Draw(t, "limit")
				n, err := s.Delete(ctx, outputs, is("vout", store.Gt, limit))
				expect(t, err, nil)
				before := len(m)
				m = slices.DeleteFunc(m, func(o output) bool { return o.Vout > limit })
				if int(n) != before-len(m) {
					t.Fatalf("deleted %d, want %d", n, before-len(m))
				}
			},
			"bulk": func(t *rapid.T) {
				o, i, key := draw(t)
				result, err := s.Bulk(ctx, outputs, []store.Write{{Delete: key}, {Insert: o}})
				expect(t, err, nil)
				want := store.BulkResult{Inserted: 1}
				if i >= 0 {
					want.Deleted = 1
					m = slices.Delete(m, i, i+1)
				}
				m = append(m, o)
				if result != want {
					t.Fatalf("bulk: %v, want %v", result, want)
				}
			},
			"": func(t *rapid.T) {
				var got []output
				expect(t, s.Find(ctx, outputs, store.Query{}, &got), nil)
				if !slices.Equal(got, m) {
					t.Fatal(cmp.Diff([]output(m), got))
				}
				var docs []bson.D
				expect(t, s.Find(ctx, outputs, store.Query{Filter: store.Where("txid", "a"), Sort: []store.Sort{{Field: "vout", Type: store.Int, Desc: true}}}, &docs), nil)
				of := slices.DeleteFunc(slices.Clone(m), func(o output) bool { return o.TxID != "a" })
				slices.SortStableFunc(of, func(a, b output) int { return b.Vout - a.Vout })
				if len(of) != len(docs) || len(of) > 0 && docs[0][1].Value != int32(of[0].Vout) {
					t.Fatalf("sorted: got %v, want %v", docs, of)
				}
			},
		})
	})
}
