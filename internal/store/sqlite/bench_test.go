package sqlite

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
)

type phrase struct {
	LoginPhrase string    `bson:"loginPhrase"`
	CreatedAt   time.Time `bson:"createdAt"`
	ExpireAt    time.Time `bson:"expireAt"`
}

func newPhrase(n int64) phrase {
	now := time.Now()
	return phrase{fmt.Sprintf("%013d%051d", n, n), now, now.Add(15 * time.Minute)}
}

func benchDB(b *testing.B) *DB {
	db := openTemp(b)
	if err := db.Declare(b.Context(), store.ActiveLoginPhrases); err != nil {
		b.Fatal(err)
	}
	return db
}

func fill(b *testing.B, db *DB, n int) {
	docs := make([]any, n)
	for i := range docs {
		docs[i] = newPhrase(int64(i))
	}
	if err := db.Insert(b.Context(), store.ActiveLoginPhrases, docs...); err != nil {
		b.Fatal(err)
	}
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s") }

func BenchmarkInsert(b *testing.B) {
	db := benchDB(b)
	for n := int64(0); b.Loop(); n++ {
		if err := db.Insert(b.Context(), store.ActiveLoginPhrases, newPhrase(n)); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func BenchmarkInsertFrom64Goroutines(b *testing.B) {
	db := benchDB(b)
	var n atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS, which is 2 on the reference machine
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := db.Insert(b.Context(), store.ActiveLoginPhrases, newPhrase(n.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b)
}

func BenchmarkFindByKey(b *testing.B) {
	const documents = 20_000
	db := benchDB(b)
	fill(b, db, documents)
	b.ResetTimer()
	for n := int64(0); b.Loop(); n++ {
		var got phrase
		q := store.Query{Filter: store.Where("loginPhrase", newPhrase(n%documents).LoginPhrase)}
		if err := db.FindOne(b.Context(), store.ActiveLoginPhrases, q, &got); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func BenchmarkTake(b *testing.B) {
	db := benchDB(b)
	fill(b, db, b.N)
	b.ResetTimer()
	for n := range int64(b.N) {
		var got phrase
		if err := db.Take(b.Context(), store.ActiveLoginPhrases, store.Where("loginPhrase", newPhrase(n).LoginPhrase), &got); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}
