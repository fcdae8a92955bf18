#include "eal/eal.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_pdump.h>

#include "eal/hugepage_files.hpp"

namespace dlb {

namespace {

constexpr size_t kKeptMessages = 4;

// What DPDK says of a failed init on standard error, it says in its log too.
constexpr std::string_view kSaidTwice = "EAL: FATAL: ";
// libbpf's word on each AF_XDP program, which explains no failure.
constexpr std::string_view kNoise = "skipping unrecognized data section";
constexpr std::string_view kBadArguments = "Invalid 'command line' arguments";

// DPDK logs to a FILE; this one cuts the stream into lines.
struct LogSink {
    std::mutex mutex;  // EAL's own threads log too; never the packet path
    std::string partial;
    std::deque<std::string> last;
    std::function<void(const std::string&)> log;

    void take(const char* data, size_t size) {
        const std::lock_guard lock(mutex);
        partial.append(data, size);
        for (size_t end = partial.find('\n'); end != std::string::npos; end = partial.find('\n')) {
            std::string line = partial.substr(0, end);
            partial.erase(0, end + 1);
            if (line.empty() || line.starts_with(kSaidTwice)) {
                continue;
            }
            if (log) {
                log(line);
            }
            if (!last.empty() && last.back() == line) {
                continue;  // EAL reads its arguments twice
            }
            if (line.find(kNoise) != std::string::npos) {
                continue;
            }
            last.push_back(std::move(line));
            if (last.size() > kKeptMessages) {
                last.pop_front();
            }
        }
    }
};

LogSink& sink() {
    static LogSink instance;
    return instance;
}

ssize_t write_log(void*, const char* data, size_t size) {
    sink().take(data, size);
    return static_cast<ssize_t>(size);
}

FILE* log_stream() {
    static FILE* stream = [] {
        cookie_io_functions_t functions{};
        functions.write = write_log;
        FILE* file = fopencookie(nullptr, "w", functions);
        if (file != nullptr) {
            setvbuf(file, nullptr, _IOLBF, 0);
        }
        return file;
    }();
    return stream;
}

void redirect_log(const EalOptions& options) {
    sink().log = options.log;
    rte_openlog_stream(log_stream());
    rte_log_set_global_level(options.verbose ? RTE_LOG_INFO : RTE_LOG_WARNING);
}

// While it lives, what DPDK and getopt() print goes where DPDK's log goes, and the 100 lines of
// DPDK's usage nowhere.
class QuietStdio {
  public:
    explicit QuietStdio(bool keep_usage) : out_(stdout) {
        null_ = keep_usage ? nullptr : std::fopen("/dev/null", "we");
        if (null_ != nullptr) {
            stdout = null_;
        }
    }
    ~QuietStdio() {
        stdout = out_;
        if (null_ != nullptr) {
            std::fclose(null_);
        }
    }
    QuietStdio(const QuietStdio&) = delete;
    QuietStdio& operator=(const QuietStdio&) = delete;

  private:
    StderrToLog error_;
    FILE* out_;
    FILE* null_ = nullptr;
};

bool asks_for_usage(const std::vector<std::string>& extra) {
    return std::any_of(extra.begin(), extra.end(),
                       [](const std::string& word) { return word == "-h" || word == "--help"; });
}

std::vector<std::string> make_arguments(const EalOptions& options, bool attachable) {
    std::vector<std::string> arguments = {"dpdk-lb"};
    std::string lcores = "0@" + std::to_string(options.control_core);
    for (size_t i = 0; i < options.cores.size(); ++i) {
        lcores += "," + std::to_string(Eal::worker_lcore(static_cast<unsigned>(i))) + "@" +
                  std::to_string(options.cores[i]);
    }
    arguments.insert(arguments.end(), {"--lcores", lcores, "--main-lcore", "0", "--file-prefix",
                                       options.file_prefix});
    const std::string memory = std::to_string(options.memory_mb);
    if (attachable) {
        arguments.insert(arguments.end(), {"-m", memory});
    } else if (options.hugepages) {
        // Pages without a file: nothing is left on hugetlbfs, whatever ends the process.
        arguments.insert(arguments.end(), {"--in-memory", "-m", memory});
    } else {
        arguments.insert(arguments.end(), {"--no-huge", "--no-shconf", "-m", memory});
    }
    if (options.pci.empty()) {
        arguments.emplace_back("--no-pci");
    }
    for (const std::string& address : options.pci) {
        arguments.insert(arguments.end(), {"-a", address});
    }
    arguments.insert(arguments.end(), {"--log-level", options.verbose ? "info" : "warning"});
    arguments.insert(arguments.end(), options.extra.begin(), options.extra.end());
    return arguments;
}

// By the open directory: its path may lead through directories that are root's alone.
void remove_entries(int directory) {
    DIR* listing = fdopendir(directory);
    if (listing == nullptr) {
        close(directory);
        return;
    }
    while (const dirent* entry = readdir(listing)) {
        unlinkat(dirfd(listing), entry->d_name, 0);  // not "." and "..": they are no files
    }
    closedir(listing);
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : " ") + word;
    }
    return text;
}

Error bad_arguments(const EalOptions& options, const std::string& said) {
    return {"the EAL options behind `--` are wrong: " + joined(options.extra) + " (DPDK: " + said +
            "); `dpdk-lb -c FILE -- --help` lists them"};
}

std::string explain_failure(const EalOptions& options, int error) {
    const std::string said = Eal::last_messages();
    std::string message = "DPDK does not start: " + (said.empty() ? rte_strerror(error) : said);
    if (options.hugepages) {
        message += "; are there " + std::to_string(options.memory_mb) +
                   " MB of free hugepages (grep HugePages_Free /proc/meminfo)? Reserve them with "
                   "`echo " +
                   std::to_string((options.memory_mb + 1) / 2) +
                   " > /proc/sys/vm/nr_hugepages`, or set hugepages = false";
    } else if (error == EACCES || error == EPERM) {
        message += "; run as root";
    } else if (!options.extra.empty()) {
        message += "; check what stands behind `--`: " + joined(options.extra);
    } else {
        message += "; log_level = \"debug\" shows all that DPDK says";
    }
    return message;
}

}  // namespace

std::string Eal::last_messages() {
    const std::lock_guard lock(sink().mutex);
    std::string joined;
    for (const std::string& line : sink().last) {
        joined += (joined.empty() ? "" : " | ") + line;
    }
    return joined;
}

// glibc lets stderr be assigned; the log of ours has a FILE of its own already.
StderrToLog::StderrToLog() : before_(stderr) {
    if (log_stream() != nullptr) {
        stderr = log_stream();
    }
}

StderrToLog::~StderrToLog() {
    stderr = before_;
}

Result<Eal> Eal::init(const EalOptions& options) {
    redirect_log(options);
    const bool attachable = options.hugepages && options.attachable && hugepage_files_possible();
    std::vector<std::string> arguments = make_arguments(options, attachable);
    std::vector<char*> argv;
    argv.reserve(arguments.size());
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    int taken = 0;
    {
        const QuietStdio quiet(asks_for_usage(options.extra));
        taken = rte_eal_init(static_cast<int>(argv.size()), argv.data());
    }
    if (taken < 0) {
        const std::string said = last_messages();
        refused_arguments_ = !options.extra.empty() && said.find(kBadArguments) != said.npos;
        return refused_arguments_ ? bad_arguments(options, said)
                                  : Error{explain_failure(options, rte_errno)};
    }
    Eal eal;
    eal.attachable_ = attachable;
    eal.file_prefix_ = options.file_prefix;
    eal.runtime_dir_ = open(rte_eal_get_runtime_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (taken + 1 < static_cast<int>(argv.size())) {
        refused_arguments_ = true;
        return bad_arguments(options, std::string("'") + argv.back() + "' is no option");
    }
    // What dpdk-dumpcap asks to put its own callbacks on the queues.
    if (attachable && rte_pdump_init() != 0) {
        return Error{"DPDK's pdump does not start: " + last_messages() +
                     "; hugepages = false does without"};
    }
    return eal;
}

Eal::Eal(Eal&& other) noexcept
    : owner_(other.owner_),
      attachable_(other.attachable_),
      file_prefix_(std::move(other.file_prefix_)),
      runtime_dir_(other.runtime_dir_) {
    other.owner_ = false;
}

Eal::~Eal() {
    if (!owner_) {
        return;
    }
    const std::string directory = rte_eal_get_runtime_dir();
    if (attachable_) {
        rte_pdump_uninit();
    }
    rte_eal_cleanup();
    if (attachable_) {
        remove_hugepage_files(file_prefix_, true);
    }
    // DPDK leaves it, with its files.
    if (runtime_dir_ >= 0) {
        remove_entries(runtime_dir_);
        rmdir(directory.c_str());
    }
}

void Eal::give_runtime_dir(uid_t user, gid_t group) {
    if (runtime_dir_ >= 0 && fchown(runtime_dir_, user, group) != 0) {
        runtime_dir_ = -1;  // stays as it is
    }
}

}  // namespace dlb
