package sign

import (
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// BenchmarkSign compares the assembled token with the one that jwx makes.
func BenchmarkSign(b *testing.B) {
	f := newFixture(b, allAlgorithms...)
	claims := []byte(sampleClaims)
	for _, alg := range allAlgorithms {
		b.Run(alg+"/grantlog", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := f.Sign(alg, "at+jwt", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
		private, kid := f.private(alg), f.active(alg).ID
		b.Run(alg+"/jwx", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				headers := jws.NewHeaders()
				if err := headers.Set(jws.TypeKey, "at+jwt"); err != nil {
					b.Fatal(err)
				}
				if err := headers.Set(jws.KeyIDKey, kid); err != nil {
					b.Fatal(err)
				}
				key := jws.WithKey(jwa.SignatureAlgorithm(alg), private, jws.WithProtectedHeaders(headers))
				if _, err := jws.Sign(claims, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b, allAlgorithms...)
	for _, alg := range allAlgorithms {
		token, _ := f.mustSign(alg)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Verify("eyJhbGciOiJub25lIn0.e30.AA"); err == nil {
				b.Fatal("believed")
			}
		}
	})
}
