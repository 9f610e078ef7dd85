package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/store"
)

func upsertReplacesOldestOrInserts(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := func(v string) bson.D { return bson.D{{Key: "name", Value: "a"}, {Key: "v", Value: v}} }
	insert(t, s, things, a("1"), a("2"), bson.D{{Key: "name", Value: "b"}})
	must(t, s.Upsert(ctx, things, store.Where("name", "a"), a("3")))
	must(t, s.Upsert(ctx, things, store.Where("name", "c").And("v", store.Eq, "x"), bson.D{{Key: "name", Value: "d"}}))
	same(t, "documents", all(t, s, things), []bson.D{a("3"), a("2"), {{Key: "name", Value: "b"}}, {{Key: "name", Value: "d"}}})
	for what, key := range map[string]store.Filter{
		"no key":    nil,
		"empty key": {},
		"a range":   is("name", store.Gt, "a"),
		"folded":    is("name", store.EqFold, "a"),
	} {
		wants(t, "Upsert with "+what, s.Upsert(ctx, things, key, a("4")), store.ErrInvalid)
	}
}

func updateAssignsMembers(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, things,
		bson.D{{Key: "name", Value: "a"}, {Key: "x", Value: "old"}, {Key: "in", Value: bson.D{{Key: "p", Value: int32(1)}}}},
		bson.D{{Key: "name", Value: "a"}},
		bson.D{{Key: "name", Value: "b"}, {Key: "in", Value: "text"}})
	n, err := s.Update(ctx, things, store.Where("name", "a"), store.Set{
		"z": int64(5), "x": moment, "in.q": nil, "in.p": "new", "list": bson.A{int32(1)},
	})
	must(t, err)
	same(t, "matched", n, int64(2))
	date := bson.NewDateTimeFromTime(moment)
	same(t, "documents", all(t, s, things), []bson.D{
		{{Key: "name", Value: "a"}, {Key: "x", Value: date}, {Key: "in", Value: bson.D{{Key: "p", Value: "new"}, {Key: "q", Value: nil}}},
			{Key: "list", Value: bson.A{int32(1)}}, {Key: "z", Value: int64(5)}},
		{{Key: "name", Value: "a"}, {Key: "in", Value: bson.D{{Key: "p", Value: "new"}, {Key: "q", Value: nil}}},
			{Key: "list", Value: bson.A{int32(1)}}, {Key: "x", Value: date}, {Key: "z", Value: int64(5)}},
		{{Key: "name", Value: "b"}, {Key: "in", Value: "text"}},
	})
	n, err = s.Update(ctx, things, store.Where("name", "a"), store.Set{"z": int64(5)})
	must(t, err)
	same(t, "matched without change", n, int64(2))
	n, err = s.Update(ctx, things, store.Where("name", "nobody"), store.Set{"z": 1})
	must(t, err)
	same(t, "matched none", n, int64(0))
	_, err = s.Update(ctx, things, store.Where("name", "b"), store.Set{"in.p": 1})
	wants(t, "Update inside a text", err, store.ErrInvalid)
	n, err = s.Update(ctx, things, nil, store.Set{"name": "all"})
	must(t, err)
	same(t, "matched all", n, int64(3))
	same(t, "found by the new value", len(numbers(t, s, store.Query{Filter: is("name", store.EqFold, "ALL"), Limit: 9, Sort: []store.Sort{{Field: "name"}}})), 3)
}

func takeHasOneWinner(t *testing.T, s store.Store) {
	ctx := t.Context()
	numbered(t, s, bson.D{{Key: "name", Value: "a"}}, bson.D{{Key: "name", Value: "a"}})
	var got bson.D
	must(t, s.Take(ctx, things, store.Where("name", "a"), &got))
	same(t, "oldest first", got, bson.D{{Key: "n", Value: int32(0)}, {Key: "name", Value: "a"}})
	must(t, s.Take(ctx, things, store.Where("name", "a"), nil))
	wants(t, "Take of none", s.Take(ctx, things, store.Where("name", "a"), &got), store.ErrNotFound)

	const phrases, rivals = 10, 8
	for i := range phrases {
		insert(t, s, things, bson.D{{Key: "name", Value: fmt.Sprint("phrase", i)}})
	}
	var wins [phrases]atomic.Int32
	var group errgroup.Group
	for range rivals {
		group.Go(func() error {
			for i := range phrases {
				var doc bson.D
				err := s.Take(ctx, things, store.Where("name", fmt.Sprint("phrase", i)), &doc)
				if err == nil {
					wins[i].Add(1)
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	for i := range wins {
		same(t, fmt.Sprint("winners of phrase ", i), wins[i].Load(), int32(1))
	}
}

func deleteWantsAFilter(t *testing.T, s store.Store) {
	ctx := t.Context()
	numbered(t, s, bson.D{{Key: "name", Value: "a"}}, bson.D{{Key: "name", Value: "a"}}, bson.D{{Key: "name", Value: "b"}})
	for _, f := range []store.Filter{nil, {}} {
		_, err := s.Delete(ctx, things, f)
		wants(t, "Delete without conditions", err, store.ErrInvalid)
	}
	n, err := s.Delete(ctx, things, store.Where("name", "a"))
	must(t, err)
	same(t, "deleted", n, int64(2))
	n, err = s.Delete(ctx, things, store.Where("name", "a"))
	must(t, err)
	same(t, "deleted again", n, int64(0))
	same(t, "left", numbers(t, s, store.Query{}), []int32{2})
	n, err = s.Clear(ctx, things)
	must(t, err)
	same(t, "cleared", n, int64(1))
	n, err = s.Clear(ctx, things)
	must(t, err)
	same(t, "cleared again", n, int64(0))
	insert(t, s, outputs, output{TxID: "a"})
	_, err = s.Clear(ctx, outputs)
	must(t, err)
	insert(t, s, outputs, output{TxID: "a"})
	wants(t, "index after Clear", s.Insert(ctx, outputs, output{TxID: "a"}), store.ErrDuplicate)
}

func bulkStopsAtFailure(t *testing.T, s store.Store) {
	ctx := t.Context()
	result, err := s.Bulk(ctx, outputs, []store.Write{
		{Insert: output{"a", 0, "1"}},
		{Insert: output{"a", 1, "2"}},
		{Upsert: &store.Upsert{Key: store.Where("txid", "b"), Doc: output{"b", 0, "3"}}},
		{Upsert: &store.Upsert{Key: store.Where("txid", "b"), Doc: output{"b", 0, "4"}}},
		{Update: &store.Update{Filter: store.Where("txid", "a"), Set: store.Set{"note": "5"}}},
		{Delete: store.Where("vout", 1)},
	})
	must(t, err)
	same(t, "result", result, store.BulkResult{Inserted: 3, Updated: 3, Deleted: 1})
	var got []output
	must(t, s.Find(ctx, outputs, store.Query{Sort: []store.Sort{{Field: "txid"}}}, &got))
	same(t, "documents", got, []output{{"a", 0, "5"}, {"b", 0, "4"}})

	_, err = s.Bulk(ctx, outputs, []store.Write{
		{Delete: store.Where("txid", "b")},
		{Insert: output{"a", 0, "again"}},
		{Insert: output{"never", 0, ""}},
	})
	wants(t, "Bulk", err, store.ErrDuplicate)
	n, err := s.Count(ctx, outputs, store.Where("txid", "never"))
	must(t, err)
	same(t, "written after the failure", n, int64(0))

	result, err = s.Bulk(ctx, outputs, nil)
	must(t, err)
	same(t, "empty bulk", result, store.BulkResult{})
	before, err := s.Count(ctx, outputs, nil)
	must(t, err)
	for what, write := range map[string]store.Write{
		"nothing":        {},
		"two kinds":      {Insert: output{}, Delete: store.Where("txid", "a")},
		"bad document":   {Insert: bson.D{}},
		"empty delete":   {Delete: store.Filter{}},
		"no key":         {Upsert: &store.Upsert{Doc: output{}}},
		"bad upsert":     {Upsert: &store.Upsert{Key: store.Where("txid", "a"), Doc: 7}},
		"no assignments": {Update: &store.Update{}},
		"bad filter":     {Update: &store.Update{Filter: store.Where("$", 1), Set: store.Set{"a": 1}}},
	} {
		_, err := s.Bulk(ctx, outputs, []store.Write{{Insert: output{what, 0, ""}}, write})
		wants(t, "Bulk with "+what, err, store.ErrInvalid)
	}
	after, err := s.Count(ctx, outputs, nil)
	must(t, err)
	same(t, "documents after refused bulks", after, before)
}

func expiresByTime(t *testing.T, s store.Store) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Millisecond)
	numbered(t, s,
		bson.D{{Key: "createdAt", Value: now.Add(-time.Hour - time.Millisecond)}},
		bson.D{{Key: "createdAt", Value: now.Add(-time.Hour)}},
		bson.D{{Key: "createdAt", Value: now.Add(-time.Hour + time.Millisecond)}},
		bson.D{{Key: "createdAt", Value: now}},
		bson.D{{Key: "createdAt", Value: int64(1)}},
		bson.D{{Key: "createdAt", Value: "2001-01-01"}},
		bson.D{{Key: "createdAt", Value: nil}},
		bson.D{},
	)
	n, err := s.DeleteExpired(ctx, things, now)
	must(t, err)
	same(t, "expired", n, int64(2))
	same(t, "left", numbers(t, s, store.Query{}), []int32{2, 3, 4, 5, 6, 7})
	n, err = s.DeleteExpired(ctx, outputs, now)
	must(t, err)
	same(t, "expired without Expiry", n, int64(0))
}

func declareTwiceKeepsDocuments(t *testing.T, s store.Store) {
	ctx := t.Context()
	numbered(t, s, bson.D{{Key: "late", Value: "x"}}, bson.D{{Key: "late", Value: "y"}})
	more := *things
	more.Indexes = append(more.Indexes[:len(more.Indexes):len(more.Indexes)],
		store.Index{Fields: []store.Field{{Name: "late", Type: store.String}}})
	must(t, s.Declare(ctx, &more))
	must(t, s.Declare(ctx, things, &more, outputs))
	same(t, "found", numbers(t, s, store.Query{Filter: store.Where("late", "y")}), []int32{1})

	more.Indexes = append(more.Indexes, store.Index{Unique: true, Fields: []store.Field{{Name: "serial", Type: store.String}}})
	insert(t, s, things, bson.D{{Key: "serial", Value: "same"}}, bson.D{{Key: "serial", Value: "same"}})
	wants(t, "Declare of a unique key over duplicates", s.Declare(ctx, &more), store.ErrDuplicate)
	same(t, "documents", len(all(t, s, things)), 4)
}

func servesConcurrently(t *testing.T, s store.Store) {
	const workers, each = 8, 12
	group, ctx := errgroup.WithContext(t.Context())
	for w := range workers {
		group.Go(func() error {
			for i := range each {
				name := fmt.Sprintf("w%d-%d", w, i)
				if err := s.Insert(ctx, things, bson.D{{Key: "name", Value: name}}); err != nil {
					return err
				}
				if err := s.FindOne(ctx, things, store.Query{Filter: store.Where("name", name)}, &bson.D{}); err != nil {
					return fmt.Errorf("own write not seen: %w", err)
				}
				// All race for one key; exactly one document may come of it.
				if err := s.Upsert(ctx, outputs, store.Where("txid", "shared").And("vout", store.Eq, 0), output{TxID: "shared", Note: name}); err != nil {
					return err
				}
				err := s.Insert(ctx, outputs, output{TxID: "once", Vout: i, Note: name})
				if err != nil && !errors.Is(err, store.ErrDuplicate) {
					return err
				}
				short, cancel := context.WithTimeout(ctx, time.Microsecond)
				s.Count(short, things, nil)
				cancel()
			}
			return nil
		})
	}
	must(t, group.Wait())
	n, err := s.Count(t.Context(), things, nil)
	must(t, err)
	same(t, "inserted", n, int64(workers*each))
	n, err = s.Count(t.Context(), outputs, store.Where("txid", "once"))
	must(t, err)
	same(t, "unique", n, int64(each))
	n, err = s.Count(t.Context(), outputs, store.Where("txid", "shared"))
	must(t, err)
	same(t, "shared", n, int64(1))
}
