#!/bin/busybox sh
# The first and only program of the sandbox's guest.
/bin/busybox mkdir -p /proc /sys /dev /run
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "/modules/$module" 2>/dev/null
done </modules/order
for _ in $(seq 200); do
    grep -q '[vs]da$' /proc/partitions && break
    usleep 50000
done

size() { echo "$(($(cat "/sys/block/$1/size") / 2048)) MiB"; }

echo "GUEST hello: $(uname -s) $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s"
for disk in /sys/block/[vs]d?; do
    disk=${disk##*/}
    size "$disk" >"/run/$disk"
    sum=$(dd if="/dev/$disk" bs=1M count=1 2>/dev/null | md5sum | cut -c1-8)
    echo "GUEST disk: $disk, $(size "$disk"), first MiB has the sum $sum"
done

# Disks that come later are written to; those that grow are mentioned.
watch() {
    while usleep 200000; do
        for disk in /sys/block/[vs]d?; do
            disk=${disk##*/}
            now=$(size "$disk")
            before=$(cat "/run/$disk" 2>/dev/null)
            [ "$now" = "$before" ] && continue
            echo "$now" >"/run/$disk"
            if [ "$before" ]; then
                echo "GUEST resized: $disk, from $before to $now"
            else
                echo "GUEST was here" |
                    dd of="/dev/$disk" conv=notrunc,fsync 2>/dev/null
                echo "GUEST wrote: $disk, $now"
            fi
        done
    done
}

watch &
echo "GUEST boot: $(cat /proc/sys/kernel/random/boot_id)"
echo "GUEST ready"
exec setsid cttyhack sh
