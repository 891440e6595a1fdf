module svctrace.io/test/cluster/testpod

go 1.26.0
