package wallet

import "fmt"

// ChecksumAddress returns an Ethereum address with the letter case of EIP-55.
// It takes "0x" and 40 hex digits of any case, and ignores the checksum in
// their case.
func ChecksumAddress(address string) (string, error) {
	a, ok := parseEthereumAddress(address)
	if !ok {
		return "", fmt.Errorf("%w: want 0x and 40 hex digits", ErrAddress)
	}
	return a.String(), nil
}
