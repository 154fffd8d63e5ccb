#include "tests/reliability/disk_conditions.h"

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace tapegrad::test {
namespace {

namespace fs = std::filesystem;
using Act = std::function<void(const Place&)>;

constexpr Index page = 4096;

void fill_inodes(const Place& place) {
  fs::create_directory(place.filler());
  for (int i = 0; std::ofstream(place.filler() / fmt::format("{}", i)).is_open(); ++i) continue;
}

void free_space(const Place& place) { fs::remove_all(place.filler()); }

Act remount(unsigned long flags, const char* options = nullptr) {
  return [=](const Place& place) {
    must(::mount(nullptr, place.disk.c_str(), nullptr, MS_REMOUNT | flags, options) == 0,
         "mount -o remount");
  };
}

void detach(const Place& place) {
  must(::umount2(place.disk.c_str(), MNT_DETACH) == 0, "umount --lazy");
}

Act permit(fs::perms permissions) {
  return [=](const Place& place) { fs::permissions(place.kept(), permissions); };
}

Act limit_to(Resource resource, rlim_t to) {
  return [=](const Place&) { limit(resource, to); };
}

[[maybe_unused]] void use_up_descriptors(const Place&) {
  const int next = ::dup(STDERR_FILENO);  // the lowest that is free
  must(next >= 0, "dup");
  ::close(next);
  limit(RLIMIT_NOFILE, static_cast<rlim_t>(next));
}

fs::path away(const Place& place) { return place.disk / "away"; }

void put_a_file_in_place(const Place& place) {
  fs::rename(place.kept(), away(place));
  std::ofstream(place.kept()) << "something else";
}

void put_the_folder_back(const Place& place) {
  fs::remove(place.kept());
  fs::rename(away(place), place.kept());
}

fs::path third(const Place& place) { return place.kept() / "step-000000015.safetensors"; }

void nothing(const Place&) {}

// From now on this process has mounts of its own.
void leave_mounts() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWNS) != 0) {
    must(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << fmt::format("0 {} 1", user);
    std::ofstream("/proc/self/gid_map") << fmt::format("0 {} 1", group);
  }
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount --make-rprivate");
}

// From now on the permissions of files bind this process: root ignores them.
void leave_root(const fs::path& folder) {
  if (::geteuid() != 0) return;
  constexpr uid_t nobody = 65534;
  must(::chown(folder.c_str(), nobody, nobody) == 0, "chown");
  must(::setgroups(0, nullptr) == 0, "setgroups");
  must(::setgid(nobody) == 0, "setgid");
  must(::setuid(nobody) == 0, "setuid");
}

}  // namespace

void must(bool successful, const std::string& call) {
  if (!successful) throw NotMeasured(fmt::format("{}: {}", call, std::strerror(errno)));
}

void Place::attach() const {
  must(::mount(volume.c_str(), disk.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount --bind");
}

void fill(const Place& place, Index spare_pages) {
  {
    const std::string bytes(page, 'x');
    std::ofstream file(place.filler(), std::ios::app);
    while (file.write(bytes.data(), page).flush()) continue;
  }
  const auto spare = static_cast<std::uintmax_t>(spare_pages * page);
  fs::resize_file(place.filler(), fs::file_size(place.filler()) - spare);
}

void limit(Resource resource, rlim_t to) {
  rlimit limits{};
  must(::getrlimit(resource, &limits) == 0, "getrlimit");
  limits.rlim_cur = std::min(to, limits.rlim_max);
  must(::setrlimit(resource, &limits) == 0, "setrlimit");
}

Place enter(const Condition& condition, const fs::path& folder) {
  const Place place{folder / "volume", folder / "disk"};
  if (condition.volume.empty()) {
    leave_root(folder);
    fs::create_directory(place.disk);
    return place;
  }
  leave_mounts();
  fs::create_directory(place.disk);
  fs::create_directory(place.volume);
  const char* options = condition.volume.c_str();
  must(::mount("tmpfs", place.volume.c_str(), "tmpfs", 0, options) == 0, "mount -t tmpfs");
  place.attach();
  return place;
}

std::vector<Condition> disk_conditions() {
  const std::string full = std::strerror(ENOSPC);
  const auto fill_all = [](const Place& place) { fill(place); };
  return {
      {.name = "disk full",
       .reason = full,
       .strike = [](const Place& place) { fill(place, 5); },  // a save fails half way
       .relieve = free_space},
      {.name = "disk full, and free again",
       .reason = full,
       .strike = fill_all,
       .relieve = free_space,
       .relieved_after = 22,
       .kept = 30},
      {.name = "disk full when the history is written",
       .reason = full,
       .strike = fill_all,
       .relieve = free_space,
       .struck_after = 30,
       .kept = 30},
      {.name = "disk too small for any checkpoint",
       .reason = full,
       .strike = nothing,
       .relieve = remount(0, "size=1m"),
       .kept = 0,
       .volume = "size=32k"},
      {.name = "no inodes left",
       .reason = full,
       .strike = fill_inodes,
       .relieve = free_space,
       .volume = "size=1m,nr_inodes=64"},
      {.name = "mounted read-only",
       .reason = std::strerror(EROFS),
       .strike = remount(MS_RDONLY),
       .relieve = remount(0)},
      {.name = "unmounted",
       .reason = std::strerror(ENOENT),
       .strike = detach,
       .relieve = [](const Place& place) { place.attach(); }},
      {.name = "folder without the right to write",
       .reason = std::strerror(EACCES),
       .strike = permit(fs::perms::owner_read | fs::perms::owner_exec),
       .relieve = permit(fs::perms::owner_all),
       .volume = ""},
      {.name = "limit of the files' size",
       .reason = std::strerror(EFBIG),
       .strike = limit_to(RLIMIT_FSIZE, 5 * page),
       .relieve = limit_to(RLIMIT_FSIZE, RLIM_INFINITY)},
#ifndef __SANITIZE_ADDRESS__  // sanitizers open a pipe to see whether an exception can be looked at
      {.name = "no file descriptors left",
       .reason = std::strerror(EMFILE),
       .strike = use_up_descriptors,
       .relieve = limit_to(RLIMIT_NOFILE, 1024)},
#endif
      {.name = "folder deleted",
       .reason = std::strerror(ENOENT),
       .strike = [](const Place& place) { fs::remove_all(place.kept()); },
       .relieve = nothing,
       .kept = 0},
      {.name = "a file in the folder's place",
       .reason = std::strerror(ENOTDIR),
       .strike = put_a_file_in_place,
       .relieve = put_the_folder_back},
      {.name = "a device in a checkpoint's place",
       .reason = "it is a device",
       .strike = [](const Place& place) { fs::create_symlink("/dev/full", third(place)); },
       .relieve = [](const Place& place) { fs::remove(third(place)); },
       .kept = 30},
  };
}

}  // namespace tapegrad::test
