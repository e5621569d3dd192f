package sign

// Seal closes a value under the log's data key, bound to a record name that
// Unseal must give again. It is ErrLocked while no data key is open.
func (v *Vault) Seal(record string, plain []byte) ([]byte, error) {
	open := v.open()
	if len(open) == 0 {
		return nil, ErrLocked
	}
	return open[0].Seal(record, plain), nil
}
