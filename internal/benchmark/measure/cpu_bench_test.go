package measure

import "testing"

// One event of the reference: compare with "sysbench cpu --cpu-max-prime=60000
// --threads=1 run", whose events per second are 1e9 / (ns/op).
func BenchmarkEvent(b *testing.B) {
	for b.Loop() {
		if n := countPrimes(defaultPrimeLimit); n != 6056 {
			b.Fatalf("got %d primes, want 6056", n)
		}
	}
}
