// Package neff reads the header of compiled files: 1024 bytes before a tar archive, as the AWS
// Neuron documentation describes them ("Work with NEFF files"). A file is checked with it before it
// is loaded, so that a wrong one is an error that says what is wrong.
package neff
