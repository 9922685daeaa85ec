// Package sagemaker is the codec of Amazon SageMaker's runtime dialect and of its contract with
// containers. Bodies are OpenAI's and go through unread; what is SageMaker's own is the header and
// the errors.
//
//	header.go  Header: what the header of a request may ask for
//	error.go   names, statuses and bodies of errors
//
// Shapes and limits follow the service model of sagemaker-runtime, 2017-05-13.
package sagemaker
