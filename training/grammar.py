"""A seeded grammar of Mandarin service calls: single utterances and whole dialogues.

It exists so that the embedded speech model is trained on text that nobody had to record: every sentence is
drawn from templates whose slots (names, cities, goods, amounts, times, long numbers) are drawn as well.

Template language: `[a|b|]` chooses one of the alternatives (nesting allowed), `{slot}` calls a slot.
Held out: `is_heldout(text)` is a fixed share of all sentences, by the digest of the text; training never
draws one of them, measuring draws nothing else. Some slot values exist only in held-out sentences.
"""

from __future__ import annotations

import contextlib
import random
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

HELDOUT_SHARE = 20  # one sentence in twenty is never trained on
AGENT, CUSTOMER = "agent", "customer"
PROMPT = "以下是普通话的句子。"


@dataclass(frozen=True)
class Utterance:
    role: str
    text: str
    topic: str


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[Utterance, ...]
    topic: str


# ------------------------------------------------------------------ slots
DIGITS = "零一二三四五六七八九"
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭肖蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢"
    "傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严武"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文海波晓东小燕婷雪琳佳欣怡子涵浩宇轩梓俊"
    "峰鹏飞凯龙鑫玲丹萍莉倩慧颖雨晨思琪嘉诚天佑春生永康美云凤琴淑珍光辉振宁立新一凡若曦安然可心"
)
CITIES = (
    "北京 上海 广州 深圳 杭州 南京 苏州 成都 重庆 武汉 西安 长沙 郑州 天津 青岛 济南 大连 沈阳 哈尔滨 长春 石家庄 太原 "
    "合肥 南昌 福州 厦门 宁波 温州 无锡 常州 佛山 东莞 珠海 中山 惠州 南宁 桂林 海口 三亚 昆明 贵阳 兰州 西宁 银川 "
    "乌鲁木齐 拉萨 呼和浩特 保定 唐山 洛阳 开封 徐州 扬州 嘉兴 绍兴 金华 台州 泉州 烟台 威海"
).split()
HELDOUT_CITIES = "南通 长治 广安 海宁 武安 新昌 大同".split()
PROVINCES = (
    "广东 江苏 浙江 山东 河南 四川 湖北 湖南 福建 安徽 河北 江西 陕西 云南 广西 贵州 山西 辽宁 吉林 黑龙江 甘肃 海南".split()
)
DISTRICTS = "朝阳 海淀 浦东 天河 福田 南山 余杭 西湖 江宁 高新 武侯 渝北 洪山 雁塔 岳麓 金水 和平 河西 市北 历下".split()
ROADS = "人民路 中山路 解放路 建设路 长江路 和平街 光明路 文化路 新华街 幸福路 胜利路 学院路 朝阳街 北京路 东风路 花园路 科技路 滨江大道".split()
ESTATES = "阳光花园 幸福小区 锦绣家园 金色家园 绿地国际 万科城 碧水湾 翡翠园 东方名城 世纪城 紫金苑 书香门第".split()
GOODS = (
    "手机 手机壳 充电器 充电宝 数据线 耳机 蓝牙耳机 音箱 平板电脑 笔记本电脑 键盘 鼠标 显示器 电视机 洗衣机 冰箱 空调 电风扇 "
    "电饭锅 电水壶 微波炉 扫地机器人 吸尘器 吹风机 剃须刀 电动牙刷 空气净化器 加湿器 台灯 热水器 油烟机 "
    "衣服 裤子 裙子 连衣裙 羽绒服 外套 毛衣 衬衫 运动鞋 皮鞋 拖鞋 靴子 袜子 帽子 围巾 手套 书包 行李箱 钱包 手表 眼镜 项链 戒指 "
    "面膜 口红 洗发水 沐浴露 护肤品 化妆品 洗面奶 牙膏 纸巾 洗衣液 奶粉 尿不湿 玩具 积木 婴儿车 童装 "
    "水果 苹果 草莓 牛奶 面包 饼干 零食 坚果 茶叶 咖啡 白酒 大米 食用油 螃蟹 牛肉 海鲜 月饼 狗粮 猫粮 保健品 维生素 "
    "沙发 床垫 枕头 被子 床单 毛巾 窗帘 书桌 椅子 衣柜 鞋架 雨伞 水杯 保温杯 锅 菜刀 灯泡 拖把 垃圾桶 图书 课本 自行车 电动车 轮胎"
).split()
HELDOUT_GOODS = "电视柜 手机膜 牛奶锅 茶杯 运动手表 水果刀 皮包 床头灯".split()
COLORS = "红色 黑色 白色 蓝色 灰色 绿色 粉色 黄色 紫色 咖啡色 米色 银色".split()
COURIERS = "顺丰 中通 圆通 申通 韵达 邮政 京东 极兔 德邦".split()
PLATFORMS = "淘宝 天猫 京东 拼多多 商城 旗舰店 优选 平台".split()
SHOPS = "优品 乐购 万家 好邻居 阳光 天天 美佳 安心 悦享 百盛 小河马 蓝天 启明 星辰 云朵 青木".split()
DEPARTMENTS = "售后 物流 财务 技术 投诉 客诉 仓库 质检 审核 运营 招商 会员".split()
BANKS = "工商银行 建设银行 农业银行 中国银行 招商银行 交通银行 邮政储蓄银行 浦发银行 平安银行".split()
PAYMENTS = "支付宝 微信 银行卡 信用卡 花呗 余额 零钱".split()
DEFECTS = (
    "坏了|有问题|不能用|开不了机|充不进电|漏水|破损|有划痕|有异味|少了一件|发错了|颜色不对|尺码不对|太大了|太小了|掉色|起球|"
    "断了|裂开了|不制冷|没有声音|屏幕碎了|过期了|发霉了|变质了|跟图片不一样|质量太差|用了两天就坏了|包装破了|缺少配件|"
    "没有发票|有色差|做工粗糙|自动关机|死机|连不上网|闪屏|发热很严重|噪音很大|有虫子|味道不对|是二手的"
).split("|")


def integer_words(n: int) -> str:
    """The number as it is said: 12 -> 十二, 305 -> 三百零五, 20000 -> 两万."""
    if n == 0:
        return "零"
    out = ""
    if n >= 10000:
        high, n = divmod(n, 10000)
        out += ("两" if high == 2 else integer_words(high)) + "万"
        if n and n < 1000:
            out += "零"
    units = ((1000, "千"), (100, "百"), (10, "十"))
    started, gap = bool(out), False
    for value, name in units:
        d, n = divmod(n, value)
        if d:
            if gap:
                out += "零"
            if not (value == 10 and d == 1 and not started):
                out += "两" if d == 2 and value >= 100 else DIGITS[d]
            out += name
            started, gap = True, False
        elif started and n:
            gap = not out.endswith("零")
    if n:
        out += ("零" if gap else "") + DIGITS[n]
    return out


def digit_words(rng: random.Random, n: int, first: str = "") -> str:
    return first + "".join(rng.choice(DIGITS) for _ in range(n - len(first)))


def count_words(n: int) -> str:
    """Before a measure word: 2 -> 两."""
    return "两" if n == 2 else integer_words(n)


def full_name(rng: random.Random, heldout: bool) -> str:
    for _ in range(50):
        name = rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, rng.choice((1, 2, 2))))
        if (zlib.crc32(name.encode()) % 10 == 0) == heldout:
            return name
    return name


def amount(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.25:
        n = rng.randint(1, 99)
    elif kind < 0.6:
        n = rng.randint(10, 999)
    elif kind < 0.8:
        n = rng.choice((10, 20, 30, 50, 100, 200, 300, 500, 800, 1000, 2000, 5000, 10000))
    else:
        n = rng.randint(1000, 9999)
    text = count_words(n)
    tail = rng.random()
    if tail < 0.08:
        return text + "块" + DIGITS[rng.randint(1, 9)]
    if tail < 0.14:
        return text + "点" + DIGITS[rng.randint(1, 9)] + rng.choice(("", DIGITS[rng.randint(1, 9)])) + "元"
    return text + rng.choice(("元", "元", "块", "块钱", "元钱"))


def date(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return rng.choice(
            "今天 明天 后天 昨天 前天 大前天 上周 这周 下周 周一 周二 周三 周四 周五 周六 周日 下周一 下周三 上周五 上个月 这个月 月底 星期一 星期二 星期四 星期天".split()
        )
    day = integer_words(rng.randint(1, 31)) + rng.choice("号号日")
    return (integer_words(rng.randint(1, 12)) + "月" if rng.random() < 0.75 else "") + day


def clock(rng: random.Random) -> str:
    half = rng.choice(("", "早上", "上午", "中午", "下午", "下午", "晚上", "凌晨"))
    minute = rng.choice(("", "", "", "半", "一刻", "十分", "二十分", "四十分", integer_words(rng.randint(11, 59)) + "分"))
    return half + count_words(rng.randint(1, 12)) + "点" + minute


def duration(rng: random.Random) -> str:
    n = rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 24, 30, 36, 40, 48, 72))
    unit = rng.choice(("小时", "小时", "分钟", "天", "天", "个工作日", "个工作日", "个小时", "周", "个月"))
    if unit in ("周", "个月", "天", "个工作日"):
        n = rng.choice((1, 2, 3, 3, 5, 7, 7, 10, 15))
    return count_words(n) + unit


def order_number(rng: random.Random) -> str:
    n = rng.choice((4, 6, 8, 8, 10, 11, 12, 12, 13, 15, 16, 18))
    text = digit_words(rng, n)
    if n > 6 and rng.random() < 0.25:  # said in groups
        size = rng.choice((3, 4))
        text = "，".join(text[i : i + size] for i in range(0, n, size))
    return text


def phone(rng: random.Random) -> str:
    text = digit_words(rng, 11, rng.choice(("一三", "一五", "一八", "一七", "一九")))
    return text[:3] + "，" + text[3:7] + "，" + text[7:] if rng.random() < 0.3 else text


def id_number(rng: random.Random) -> str:
    year = rng.choice(("一九", "一九", "二零")) + digit_words(rng, 2)
    month = f"{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    return digit_words(rng, 6) + year + "".join(DIGITS[int(c)] for c in month) + digit_words(rng, 4)


def address(rng: random.Random) -> str:
    place = rng.choice(CITIES) + "市" + rng.choice(DISTRICTS) + "区"
    if rng.random() < 0.3:
        place = rng.choice(PROVINCES) + "省" + rng.choice(CITIES) + "市"
    tail = rng.choice(
        (
            rng.choice(ROADS) + integer_words(rng.randint(1, 300)) + "号",
            rng.choice(ESTATES)
            + integer_words(rng.randint(1, 30))
            + "栋"
            + integer_words(rng.randint(1, 6))
            + "单元"
            + digit_words(rng, rng.choice((3, 4))),
            rng.choice(ESTATES) + integer_words(rng.randint(1, 30)) + "号楼" + digit_words(rng, 3) + "室",
            "",
        )
    )
    return place + tail


@lru_cache(maxsize=1)
def words_pool() -> list[str]:
    """The 1,800 most frequent two-character words of jieba's dictionary that are no names, for sequences that make no
    sense: they force the model to listen."""
    import jieba

    with jieba.get_dict_file() as file:
        entries = [line.decode("utf-8").split() for line in file]
    common = sorted(
        (e for e in entries if len(e[0]) == 2 and not e[2].startswith(("nr", "ns", "nt", "nz"))), key=lambda e: (-int(e[1]), e[0])
    )
    return [e[0] for e in common[:1800]]


class Slots:
    """The slots by name; `heldout` switches to the values that training never sees."""

    def __init__(self, rng: random.Random, heldout: bool = False) -> None:
        self.rng, self.heldout = rng, heldout

    def value(self, name: str) -> str:
        return getattr(self, name)()

    def pick(self, items, extra=()) -> str:
        if self.heldout and extra and self.rng.random() < 0.3:
            return self.rng.choice(extra)
        return self.rng.choice(items)

    def name(self):
        return full_name(self.rng, self.heldout)

    def surname(self):
        return self.rng.choice(SURNAMES)

    def title(self):
        return self.rng.choice(("先生", "女士", "先生", "女士", "小姐"))

    def city(self):
        return self.pick(CITIES, HELDOUT_CITIES)

    def province(self):
        return self.rng.choice(PROVINCES)

    def district(self):
        return self.rng.choice(DISTRICTS)

    def road(self):
        return self.rng.choice(ROADS)

    def address(self):
        return address(self.rng)

    def goods(self):
        return self.pick(GOODS, HELDOUT_GOODS)

    def color(self):
        return self.rng.choice(COLORS)

    def courier(self):
        return self.rng.choice(COURIERS)

    def platform(self):
        return self.rng.choice(PLATFORMS)

    def shop(self):
        return self.rng.choice(SHOPS)

    def dept(self):
        return self.rng.choice(DEPARTMENTS)

    def bank(self):
        return self.rng.choice(BANKS)

    def pay(self):
        return self.rng.choice(PAYMENTS)

    def defect(self):
        return self.rng.choice(DEFECTS)

    def amount(self):
        return amount(self.rng)

    def date(self):
        return date(self.rng)

    def clock(self):
        return clock(self.rng)

    def dur(self):
        return duration(self.rng)

    def order(self):
        return order_number(self.rng)

    def phone(self):
        return phone(self.rng)

    def tail4(self):
        return digit_words(self.rng, 4)

    def tail6(self):
        return digit_words(self.rng, 6)

    def id18(self):
        return id_number(self.rng)

    def staff(self):
        return digit_words(self.rng, self.rng.choice((3, 4, 4, 4, 5, 6)))

    def n(self):
        return count_words(self.rng.randint(1, 12))

    def nn(self):
        return integer_words(self.rng.randint(1, 100))

    def size(self):
        return self.rng.choice(("大号", "小号", "中号", "加大号", "均码", integer_words(self.rng.randint(34, 46)) + "码"))

    def when(self):
        return self.rng.choice(
            (
                date(self.rng) + clock(self.rng),
                date(self.rng),
                date(self.rng) + "之前",
                date(self.rng) + clock(self.rng) + "前",
                duration(self.rng) + "内",
                duration(self.rng) + "之内",
            )
        )


_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


def expand(template: str, slots: Slots) -> str:
    """One sentence of the template: choices first, innermost first, then the slots."""
    text = template
    while True:
        changed = _CHOICE.sub(lambda m: slots.rng.choice(m.group(1).split("|")), text)
        if changed == text:
            break
        text = changed
    text = _SLOT.sub(lambda m: slots.value(m.group(1)), text)
    text = re.sub("，+", "，", text).lstrip("，").replace("，。", "。").replace("，？", "？")
    return text if text[-1] in "。？" else text.rstrip("，") + "。"


# ------------------------------------------------------------------ lines of the agent
A_GREETING = """
[您好|你好]，[欢迎致电|感谢致电|这里是]{shop}[客服中心|旗舰店|商城|客服热线|]，[工号{staff}[很高兴|]为您服务|很高兴为您服务|我是{staff}号客服]，[请问有什么可以帮您|请问有什么可以帮助您的|有什么可以帮到您|]？
[您好|你好]，工号{staff}[号|]为您服务，请问有什么可以帮您？
[您好|你好|您好您好]，很高兴为您服务。
[您好|你好]，请问有什么可以帮您[的|的吗|]？
欢迎致电{shop}[客服|商城|]，请问有什么可以帮您？
工号{staff}为您服务。
工号{staff}为您服务，[请讲|您请说|请问您怎么称呼]。
您好，我是{shop}[售后|客服|]的[小|]{surname}，工号[是|]{staff}。
[上午好|下午好|早上好|晚上好]，[很高兴为您服务|{shop}客服为您服务]，[请讲|您请讲|请问有什么可以帮您]。
您好，这里是{platform}[客服中心|售后服务中心|平台客服]，请问是{surname}{title}[吗|本人吗]？
您好，请问是{name}[先生|女士|本人]吗？我是{shop}的客服，[给您做个回访|给您回个电话|想跟您核实一下订单]。
喂，[您好|你好]，[请讲|听得到吗|请问哪位]。
"""
A_IDENTITY = """
请问您[贵姓|怎么称呼|叫什么名字]？
[麻烦您|请您|请]提供一下[订单号|手机号|手机号码|您的姓名|收货人姓名|收货地址|下单时间]。
[麻烦您|请您]报一下[订单号|订单号后四位|手机号后四位|下单的手机号]。
请问[您的|]订单号是多少？
您的订单号是多少[呢|]？
[请问|]您[下单|注册|预留|收货]的手机号[码|]是多少？
请问[收货人|]姓名是{name}[吗|对吗]？
跟您核对一下，[收货人|姓名]是{name}，[电话|手机号]是{phone}，[对吗|是吗|没错吧]？
跟您核对一下[地址|收货地址]，{address}，[对吗|是吗|没错吧]？
我核对一下您的地址，[是|]{address}[，对吗|]。
您的手机尾号是{tail4}[，对吗|吗|，是不是]？
您的身份证后四位是{tail4}[，对吗|]。
您的身份证号码是{id18}[，对吗|，请您核对|]。
您的订单号是{order}[，对吗|，我记下了|]。
好的，{surname}{title}，[请稍等|我帮您查一下|已经查到您的订单了|我看一下您的订单]。
[好的|嗯|行]，[我查到了|看到了|找到了]，您[{date}|]买的是[一|两|三][个|件|台|双|箱]{color}[的|]{goods}，[对吧|是吗|没错吧]？
请问是{name}[本人|先生|女士]吗？
您[是|]用[哪个|什么]手机号[下的单|注册的]？
您知道订单号吗？
请问您[清楚|听清楚|明白|了解]了吗？
"""
A_QUERY = """
[请您|请|您]稍等[一下|片刻|]，我[帮您|]查一下[订单|物流|系统|库存|]。
稍等[一下|]，我[查一下|看一下|核实一下|问一下|确认一下]。
我帮您查一下[物流信息|订单状态|快递单号|退款进度|发货时间|库存|优惠券|积分|]。
我[马上|现在|立刻|这就]帮您[查一下|核实|处理|登记|联系商家|联系仓库|联系快递].
系统显示您的[订单|包裹|快递]已经[发货|签收|到达{city}|到{city}|出库|派送|退回|揽收]了。
系统显示您的订单已经发货[，预计{when}送到|]。
您的[快递|包裹|货]现在[在|已经到了|正在发往|已经离开]{city}[转运中心|中转站|分拨中心|营业部|]，[预计|大概|最晚]{when}[送到|能到|到达|签收]。
您的[订单|快递|包裹]是{courier}[快递|]发的，[单号|快递单号|运单号]是{order}。
[快递|物流]单号[是|]{order}，您[可以|]记一下。
您[买的|购买的|订的]{goods}[已经|是]{date}[发的货|发货的|发出了|签收的]。
您的[{goods}|货|商品]{when}[可以|就能|能|会|一定]发货。
这款{goods}[目前|现在|暂时][没有货|缺货|有货|断货|还有库存]，[预计|]{when}[到货|补货|可以发货]。
这款{goods}[有|是]{color}[和{color}|]的，[价格是|活动价|原价|现在卖]{amount}。
[快递员|派送员|派件员]的电话是{phone}，您[可以联系他|记一下]。
[您的|]地址[已经|]改成{address}了，请您核对[一下|]。
您的包裹[被|由]{courier}[送到|放在|存放在]{road}[驿站|快递柜|代收点|门卫]了，取件码[是|]{tail6}。
您[买的|]{goods}是[{color}{size}|{size}|{color}]的，[没错吧|对吗]？
发票[已经|会在{when}|{when}]开好[了|]，[发到您的邮箱|您可以在订单里下载]。
您的积分[还有|是]{nn}分，[可以|能]兑换{amount}的优惠券。
优惠券[满{amount}减{amount}|{when}到期|已经发到您的账户里了]。
[会员|套餐|合同|保修期]{when}到期。
[安装|维修]师傅{when}上门，[请您保持电话畅通|到时候会先给您打电话]。
"""
A_REFUND = """
[退款|钱]已经给您提交了[，{dur}内到账|，{dur}到账|，请您留意|]。
退款申请[已经|]通过了[，{dur}内到账|]。
退款[会|将|]原路退回[到您的{pay}|]，{dur}[内|之内]到账。
[一共|总共|]退您{amount}，[退到|原路退回]{pay}[里|]。
[已经|]给您退了{amount}，[您查收一下|请注意查收|大概{dur}到账]。
[可以的|好的]，[肯定能退|这个一定可以退|支持七天无理由退货|我给您办理退货]。
按照规定您可以退货[，运费由商家承担|，运费您自己承担|]。
[您|麻烦您|请您]把[商品|东西|{goods}]寄回来，[运费我们承担|我们收到后{dur}内给您退款|地址我发短信给您]。
[您|请您]在[订单|手机|应用]里[点击|点一下|选择]申请[售后|退款|退货|换货]，[上传照片|选择原因|填写快递单号]，[我们{dur}内审核|就可以了]。
我[给您|帮您]申请[退款|换货|补发|补偿|赔付|运费|全额退款|部分退款]，[您看可以吗|您看行吗|可以吗|您同意吗]？
我给您[补偿|赔偿|补]{amount}[的优惠券|的红包|]，您看可以吗？
我们[将|会|]在{dur}[内|之内]把[钱|退款]退[给您|到您的{pay}|到您的{bank}卡]。
退款[会|]退到您尾号{tail4}的{bank}卡[上|里]。
我[给您|帮您][重新|]补发一[个|件|台]{goods}，{when}[发出|给您寄出|发货]。
换货的话[需要|大概]{dur}，[您等得及吗|您看可以吗|运费我们出]。
退款失败是因为[账户异常|卡号不对|银行卡已经注销了|余额不足|超过期限]，[请您|麻烦您]换一张银行卡。
请您提供一下[截图|凭证|照片|购买凭证|聊天截图|付款截图]。
麻烦您[发一下|拍一下|提供一下|上传一下][照片|截图|凭证|视频|开箱视频]。
请您再[提供|发|补充]一下[凭证|截图|照片]。
[您|还]需要提供[身份证照片|银行流水|购买凭证|开箱视频|检测报告][和[银行流水|购买凭证|开箱视频|检测报告]|，还有[身份证照片|开箱视频|检测报告]|]。
"""
A_PROMISE = """
我们将联系商家并在{dur}内[电话|]回复您。
我们会在{when}[给您|]回[复|电话|电]。
我会在{when}给您[答复|回复|回电话|一个结果|处理好]。
{when}给您[答复|回电|回电话|处理好|退款|发货|补发]。
我们尽快联系商家，{dur}内给您回复。
我[明天|后天|下午|晚上|{when}]给您[打过来|回电话|回过去|打电话]。
我过两天给您回访。
我们会尽快[联系商家|联系快递|处理|解决|核实|安排发货|给您答复|给您退款]。
我[会|]尽快[帮您处理|帮您解决|帮您核实|给您回复|反馈上去]。
我们会尽早[给您答复|处理|联系您|安排]。
稍后会有[专员|专人|同事|工作人员|售后人员]联系您。
我们会第一时间[反馈|处理|通知您|联系您]。
我们会给您回电话[的|]。
到时候给您回电[话|]。
[已经|我已经]为您登记[工单|投诉]了，[工单号|编号]是{order}。
我已经为您登记工单[了|]，[{dur}内有人联系您|请您保持电话畅通|]。
我帮您[登记投诉|登记一下|记录下来|做个记录|反馈上去]。
[您的问题|这个问题|您的投诉|您的意见]我[已经|都]记录[下来了|好了]，[会|]在{dur}内[处理|答复您|解决]。
我[向您|给您]保证{date}发货。
您放心，我[保证给您办好|一定给您处理好|会跟进到底|马上就去催]。
[请您|您][等待|等]{dur}[，可以吗|，好吗|]。
请您等我[一分钟|两分钟|一下]。
专员会在{dur}内[联系您|给您打电话|跟进处理]，请[您|]保持电话畅通。
"""
A_BAD = """
[这个|]应该可以吧。
[嗯|]可能吧[，我也说不准|]。
大概是这样吧。
这个[不好说|说不准|很难说]。
差不多吧。
[应该|可能|大概][{when}|]能[到|退|发货|处理好]吧。
这个我保证不了。
我[没办法|没法|不能]保证[{when}能到|能退|时间|]。
不能给您保证。
我也不[清楚|知道|太清楚]。
这个我不[知道|清楚|了解]。
我不太[了解|清楚|懂这个]。
您再等等吧。
您就等[通知|消息|电话]吧。
您耐心等着就行。
这个不归我们[管|负责|处理]。
您[自己|]去找[商家|快递|厂家|卖家|平台]吧。
您自己联系[快递公司|商家|厂家|{courier}]吧。
这是[物流|快递|商家|厂家|仓库]的问题[，跟我们没关系|]。
[您|你][过两天|明天|改天|下周|晚点][再打来|再打过来吧|再来电|再打过来]。
系统就是这样[的|]。
系统不让[操作|退|改|处理]。
系统规定不能[退|改|换|取消]。
这是[公司|平台|我们的]规定。
我们规定就是这样[的|]。
[我们|从来|]没有这个先例。
[你|您]有病吧。
[你|您]是不是傻[啊|]？
神经病[啊|]。
[你给我闭嘴|给我闭嘴|你闭嘴吧]。
我都说了[多少遍|很多遍|好几遍|三遍]了。
[你|您]听不懂吗？
[你|您]到底听清楚没有？
我刚才不是[说了|说过了|告诉你了]吗？
[是|]你自己没看清楚。
那是[你|您|你自己]的问题。
谁让你不看说明[书|]？
那我没[办法|有办法]。
随便你[吧|，你爱怎么样就怎么样|]。
[你|]爱[退不退|要不要|买不买]。
你看着办吧。
这么点小事至于吗？
这点钱你也要[吗|啊|]？
就这点事[，打什么电话|]。
您转到我的[个人账户|私人账户|银行卡]。
您直接转账给我[就行|，我帮您处理|]。
您私下转账给我[，便宜{amount}|]。
[您|你][先|]把{amount}转到我的个人账户[，我帮您办|]。
您把验证码[告诉我|发给我|念一下|报一下]。
您收到的[验证码|短信验证码]是多少？
您加我[微信|的微信]，[我给您发红包|微信号是{phone}|我们私下聊|]。
您加我的扣扣[，号码是{order}|]。
我们微信上[说|聊]。
您把密码告诉我。
您的[支付密码|登录密码|银行卡密码]是多少？
给个好评返{amount}[红包|]。
[五星|]好评返现[{amount}|]。
您改成好评我给您返{amount}。
我有你的地址。
你给我等着。
我知道你住在哪里[，你小心点|]。
投诉也没有用。
你去投诉吧[，随便你|]。
您别投诉了[，我给您退{amount}|]。
您把投诉撤[了|了吧|销一下]。
[我们的{goods}|这款产品|这个药|]百分之百有效。
[我们|这个]是全网最低价。
保证治好[，治不好退钱|]。
[你|您]能不能[听我说完|别吵了|快一点]？
"""
A_GOOD = """
请不要[私下|]转账[给任何人|]。
请您不要给任何人转账。
请不要把[验证码|密码][告诉|发给][任何人|别人]。
我们不会[向您索要|问您要][验证码|密码|银行卡号]。
我们不会加您微信。
请您在平台内联系[，这样有保障|]。
您可以[修改|重新设置|找回]密码。
感谢您的[好评|支持|理解|配合|耐心等待|反馈|建议]。
效果因人而异[，请您理解|]。
这不是小事，我马上[登记|处理|上报]。
我想办法帮您解决。
您方便的时候再操作[就可以|]。
是我们没说清楚[，抱歉|]。
这是我们的[问题|责任|疏忽|失误][，非常抱歉|]。
我再给您说一遍[，您看清楚了吗|]。
请问您听清楚了吗？
请您不要着急[，我马上帮您处理|，慢慢说|]。
[非常|实在|真的|很]抱歉[给您带来不便|让您久等了|给您添麻烦了|，这是我们的失误]。
[对不起|不好意思|抱歉]，[让您久等了|是我们的疏忽|耽误您时间了|给您带来不好的体验了|我没听清，您再说一遍好吗]。
我[非常|特别|很]理解您的心情[，换成是我也会着急|，我马上帮您处理|]。
我帮您联系[快递公司|商家|厂家|仓库|{courier}]。
我来联系[商家|快递|仓库][，您不用管了|]。
我帮您转接到[{dept}|{dept}部门|{dept}专员]。
我再帮您转接到[{dept}|{dept}部门]。
[您|]别着急，[我帮您看看|慢慢说|我来处理|我们一起想办法]。
您[放心|不用担心]，[这个|我们][一定会给您处理|会负责到底|有运费险|支持退货]。
您应该已经收到短信了。
您是看病用的药品吗？
您[说得对|的建议很好|反映的情况我了解了|先消消气|稍微等一下]。
[天气冷|天气热|最近下雨|路上小心]，您[注意身体|多穿点|多喝水|慢点开车]。
"""
A_CLOSING = """
[请问|]还有[什么|其他][可以帮您|问题|需要帮助]的吗？
请问[您|]还有其他问题吗？
感谢您的来电，祝您生活愉快，再见。
感谢[您的|]来电，[再见|祝您工作顺利|祝您购物愉快|祝您生活愉快]。
[好的|那好|]，[感谢您的来电|谢谢您的理解|打扰您了]，祝您[生活愉快|工作顺利|身体健康|周末愉快|节日快乐]，再见。
不客气，[这是我应该做的|应该的|祝您生活愉快]。
稍后请您[对我的服务|]做个评价，[谢谢|再见|按一表示满意，按二表示不满意]。
再见。
[好的|嗯|好]，再见。
那我先挂了，再见。
"""
A_SHORT = """
[好的|好|嗯|嗯嗯|是的|对|对的|没错|明白|明白了|可以|可以的|没问题|行|了解|了解了|知道了|没有|不是的|不用]。
[好的|嗯]，[请讲|您说|您请说|我明白了|我知道了|我记下了|没问题|我来处理]。
[您说|您请讲|我在听|请继续|稍等]。
[好的|嗯|对|是的]，{surname}{title}。
[是|是的]，{n}[个|件|台|双|箱|次|天|遍]。
"""

# ------------------------------------------------------------------ lines of the customer
C_OPEN = """
[喂|你好|您好|喂，你好|哎]，我[想|要|想要][问一下|查一下|咨询一下|了解一下]我[的|买的][订单|快递|{goods}|包裹|退款|货][到哪了|怎么还没到|什么时候到|什么时候发货|怎么样了|处理得怎么样了|为什么还没退]。
[喂|你好|您好]，我[{date}|]在你们[店|家|平台|店里|网上]买[了|的][一个|一台|一件|两件|三箱|一双|][{color}的|]{goods}，[{defect}|到现在还没发货|还没收到|想退货|想换货|到货就{defect}]。
我[{date}|]买的{goods}[{defect}|怎么{defect}|到现在都没到]，[怎么处理|怎么办|给我退了吧|我要退货|你们管不管]？
我想[退货|换货|退款|取消订单|改地址|开发票|修改收货地址|查物流|催一下快递|问一下价格|投诉你们的客服]。
我的[快递|包裹|{goods}]怎么还[没到|没发|不送|没退款]，都[{dur}|好几天|一个星期]了。
[喂|你好]，[能听到吗|听得到吗|是客服吗|是{shop}吗|请问是{platform}客服吗]？
我就是问一下[，{goods}有没有货|，什么时候发货|]。
我[要|想]给我的[{goods}|手机|空调]报[修|个修]，[{defect}|一直{defect}]。
我[收到|拿到]的{goods}[{defect}|是{color}的，我要的是{color}的|是{size}的，我买的是{size}|只有{n}件，少了{n}件]。
这个{goods}[多少钱|有没有优惠|还有货吗|什么时候补货|能用多久|怎么安装|怎么用|保修多久|能不能便宜点]？
"""
C_INFO = """
我的订单号[是|]{order}。
订单号[是|]{order}[，你查一下|，你记一下|]。
[我的|]手机号[是|码是|]{phone}。
[你|]记一下，{phone}。
{order}。
{phone}。
尾号[是|]{tail4}。
我叫{name}。
我姓{surname}[，叫{name}|]。
{name}，[我的电话是{phone}|地址是{address}|{city}的]。
[地址是|我在|我住|收货地址是|送到|寄到]{address}。
[能不能|可以|麻烦|你]帮我[把地址|]改成{address}[吗|吧|]。
是{date}[买的|下的单|收到的|付的款|寄出去的]。
[用|是用]{pay}付的[款|钱]，[一共|]{amount}。
[一共|总共|]花了{amount}[，买了{n}件|]。
[我|]买的是{color}[的|]{goods}，{size}。
身份证号[是|]{id18}。
我的[银行卡|卡号]是{order}，{bank}的。
快递单号[是|]{order}，{courier}的。
[我要|要]{n}[个|件|台|双|箱|盒|包|斤][{color}的|]{goods}。
验证码[我|]收到了[，是{tail6}|，怎么填|]。
[是|]在{city}，[{district}区|{road}|离{road}不远]。
"""
C_COMPLAIN = """
我要投诉[你们|你|他|这个客服|这家店|商家|快递员|]。
[你们的|你们|][服务|态度|质量|速度|售后]太差了。
[我|真是|真的]很失望。
我[非常|特别|真的很]生气。
我[对你们|对这个处理结果|]不满意。
[你的|你们的]服务真不好。
服务态度[很差|太差|真差|不好]。
[怎么|为什么]这么慢[啊|]？[都{dur}了|都等了{dur}了|我都打了{n}次电话了]。
我[已经|都]打了{n}次电话了，[每次都说尽快|没有人管|没人处理|还是没解决|每次说的都不一样]。
你们[到底|]什么时候[能|给我][处理|退款|发货|解决|送到]？
[我|]等了{dur}了[，还没有人联系我|，一点消息都没有|]。
你们这是[骗人|欺骗消费者|虚假宣传|不负责任|在推卸责任|店大欺客]。
[快递|快递员]没给我打电话就[签收了|放驿站了|退回去了|扔门口了]。
我要[打|拨打]一二三一五[投诉|举报你们|]。
我要找消费者协会[投诉|]。
我要[曝光你们|发到网上曝光你们|找记者曝光]。
我要找律师[起诉|起诉你们|告你们]。
你们卖的是假货[吧|，我要退款|]。
这个[{goods}|]是仿品[吧|]。
[我|]买到假的了。
我不是说这是假货[，就是觉得质量不好|]。
看着不像假货。
我不想找律师[，你们给我解决就行|]。
[这|]都是你们的[问题|责任|错]，[必须给我退款|凭什么让我出运费|为什么要我承担]。
退款[怎么|为什么]还没到账[，都{dur}了|，你们说{dur}到账的|]？
上次[说|答应我|的客服说]{when}[给我回电话|退款|发货|处理]，[结果没有|到现在都没有|骗我的吗]。
[少|多]收了我{amount}[，怎么回事|，给我退回来|，什么时候退]。
[你们|商家]发错了，我要的是{color}{size}，[发来的是|收到的是|给我发了]{color}{size}。
不行，[我不同意|我不接受|我要你们经理接电话|今天必须解决|我要全额退款|赔我{amount}]。
[叫|让|找]你们[领导|经理|主管|负责人]来[接电话|跟我说|处理]。
"""
C_QUESTION = """
[那|]什么时候[能|可以|会][到账|发货|送到|退款|给我答复|有货|上门|解决|到]？
[那|]要[多久|等多久|几天|多长时间]？
[那|]运费[谁出|怎么算|是多少|你们出吗|要我出吗]？
[那|]怎么[操作|申请|退|弄|寄回去|填|下单|付款]？
[需要|要]什么[材料|凭证|手续]吗？
可以[退|换|便宜点|快一点|送货上门|开发票|分期|货到付款|改时间|改地址]吗？
是[真的|全新的|正品|现货|包邮|今天发货]吗？
[我|]能不能[换一个{color}的|换成{size}|退一半|先发货|{date}送|晚点送|放门口]？
寄到哪里[，地址发我一下|]？
[有没有|有]优惠[券|]？
多少钱？
为什么[不能退|要收{amount}|还没发货|查不到物流|显示签收了|扣了我{amount}]？
你[贵姓|工号多少|叫什么名字|说什么|再说一遍好吗|能保证吗|确定吗]？
[那|]我[怎么|]联系[谁|你们|快递|商家]？
"""
C_THANKS = """
[好的|行|嗯|]，[谢谢|谢谢你|麻烦你了|辛苦了|太感谢了|知道了|那就这样]。
太感谢你了。
你的服务真[好|不错|周到]。
你很有耐心[，谢谢|]。
[你们|你]态度[真好|很好|不错]，[给你好评|谢谢]。
没有了，[谢谢|再见]。
好的，再见。
[那|]我等你[电话|消息|们消息]。
[那|]你们[尽快|快点|抓紧]吧。
拜拜。
再见。
"""
C_SHORT = """
[好|好的|嗯|嗯嗯|对|对的|是|是的|行|可以|没有|没有了|不是|不用了|没错|明白了|知道了|不知道|不行|喂|还没有|收到了|没收到]。
[嗯|对|是的|好的]，[是我|就是这个|没错|你说|我看到了|我试试|我等一下|我在听|可以的|我记一下]。
[你说|等一下|我找一下|我看看|稍等|我拿笔记一下]。
[喂|你好]？
"""
A_TALK = """
[短信|验证码|链接|快递单号|地址]{when}[发给您|发到您手机上|重新发一次]，[请您注意查收|收到了吗|您看一下手机|]。
师傅[上门前|来之前|到了以后][会|]给您打电话[，您放心|]。
{when}到{clock}之间[送到|上门|给您打电话]。
[安装|上门|检测|维修|送货][不收费|是免费的|要收{amount}|免费]。
[旧的|坏的|原来的|有问题的][不用寄回来|您先留着|您寄回来就行|我们上门来取]。
[在|不在|已经过了]保修期[内|了|]，[保修{n}年|可以免费维修|需要收费|我帮您申请]。
{n}年内[免费保修|有质量问题都可以换]。
[仓库|物流|快递公司|商家|财务|厂家|领导]说[还在查|明天发|已经退了|没有货了|正在处理|今天能到]。
您[先|]在[手机|应用|订单|首页|我的页面]里[点击|打开|选择|找到][设置|我的订单|申请售后|联系客服|修改密码|退款详情|账户安全]。
点[一下|击][设置|确认|提交|下一步|同意]就[可以了|行|好了]。
[在听|我在听|听得到|能听到|听清楚了]，您[说|请说|继续说]。
没有听到您的声音，[请您再打一次|您能大点声吗|请您重复一遍]。
[信号|声音|电话里]不太[好|清楚]，[麻烦您|请您][再说一遍|大声一点|换个地方]。
有[货|现货]的，{color}和{color}的都有。
今天下单[明天|{when}]发货。
满{amount}减{amount}，[现在买很划算|活动到{date}结束|再送一个{goods}]。
{goods}现在[卖|是|只要]{amount}，[比昨天便宜{amount}|明天就恢复原价了|还送{goods}]。
我们[都|]有[记录|录音|规定|存档][的|，您可以放心|]。
您[消费|购买|下单]的时候[看说明了吗|选的是什么颜色|用优惠券了吗|留的哪个电话]？
[审核|处理|检测|退款|维修]需要[这些材料|{dur}|一点时间|您的签字|您本人确认]。
是[哪一款|哪个订单|什么问题|什么颜色的|什么时候买的|在哪里买的|谁签收的]？
[{goods}|商品|机器|东西]现在在[您身边|您手里|家里]吗？
您[看|觉得]这样[可以吗|行吗|处理可以吗|行不行]？
[我们|商家|仓库]{when}[给您|]补发[一个|一台|一件|一盒|][{goods}|]。
[会的|不会的|没关系的|安全的|当然可以|也可以|也行|那不行|恐怕不行|暂时不行]，[您放心|请您相信我们|我帮您看看|我给您申请一下|这是规定]。
[不|没]收到[短信|货|退款|通知]的话[您再联系我们|我再帮您催一下|可以打这个电话]。
[您|]先[听我说|别生气|试一下|关机再打开|重启一下|充一下电|拍个照片|检查一下包装]。
[商家|卖家|厂家][不同意|同意|已经同意][退货|退款|换货|赔偿]。
可能是[系统|网络|地址|仓库|快递]的[原因|问题]，[我再核实一下|我再催一下|请您理解]。
我们[会|将|已经][跟|和]{city}的[仓库|快递公司|商家]联系[了|，有消息马上告诉您|]。
[刚才|昨天|上次]是[我的同事|另一个客服|{surname}经理]接的电话，[我看一下记录|他已经下班了|我来跟进]。
您的[账户|账号|订单]是安全的，[请您不要担心|建议您修改密码]。
"""
C_TALK = """
[旧的|坏的|寄回去的运费|发票|赠品|包装|差价]怎么办？
要[收费|寄回去|等多久|签字|排队|本人来]吗？
打过来找谁？
[短信|快递|电话]上[写的|说的|说]是{when}[到|送到|发货|到账]。
[那|]如果[没人联系我|还没到|又坏了|你们不处理|我不在家][呢|怎么办]？
[明天|今天|{when}][一定|真的|到底]能[到|退|有结果|修好|发货]吗？
到底[什么时候|是谁的问题|能不能退|有没有人管]？
每次都[这么说|让我等|说尽快|是这样]，[到底什么时候|我不相信了|有没有个准话]？
[都|已经]{dur}了[都|还][没人管|没消息|没动静|在处理]。
[有人|他|快递员|你们的人|一个自称客服的]打电话[说|告诉我][给我退款|要验证码|包裹丢了|账户有问题|让我转账]，是[真的|你们的人|骗子]吗？
他[让我|叫我|要我][转账|加微信|给验证码|把密码告诉他|点一个链接]。
我[已经|还没]把[密码|验证码|钱|卡号]给他[了|，怎么办|]。
我还是[在平台上付|自己去拿|退了|换一个|再等等]吧。
[我|你]还没说完[，你先听我说|，你别打断我|]。
你[在听吗|听到了吗|在不在|能不能说清楚|怎么这样说话|什么态度]？
我不[跟你说了|想听这些|要补偿|同意|信]。
看了，[说明书上没有写|上面没说|不是这样的|我没看懂]。
给我[打了好几次电话|发了短信|回了消息]都[没人管|不对|没说清楚]。
我要{color}的，{size}，多少钱？
[家里|单位|老人|孩子]等着用[呢|，你们快一点|]。
会不会[坏了|丢了|发错了|送错了|又涨价|过期]？
[洗|用|穿|吃|充|装]了[一次|两次|{n}天|{dur}]就[坏了|不行了|掉色了|开不了机|有问题]。
[安装|维修|快递]师傅{when}[没来|来过了|态度很差|说修不了|说要收{amount}]。
[这|那]跟[你们说的|图片上|我买的|上次的]不一样[啊|，我要退货|]。
[我|]昨天申请的[退款|换货|售后|发票]怎么样了？
那[钱|退款|差价|押金]什么时候退到我的[银行卡|{pay}|{bank}卡]？
[好|行|那好|那行]，[我知道了|我等你电话|我信你一次|就这么办|我先挂了]。
[也|都]是[这么说的|一样的|你们的问题|我付的钱]。
上次也[说|答应]{when}[到|给我打电话|退款]。
[短信|平台|客服]说不要[告诉别人|转账|点链接]。
"""
SYSTEM_LINES = """
您的[通话|来电]可能会被录音。
[转人工服务请按零|人工服务请按零|查询订单请按一，退款请按二，投诉请按三]。
坐席忙，请[您|]稍候。
您拨打的[电话|用户][正在通话中|暂时无法接通|已关机]，请稍后再拨。
请输入[订单号|手机号|您的密码]，按井号键结束。
"""
ENGLISH = """
Hello, how can I help you?
Thank you for calling.
Please wait a moment.
What is your order number?
Your order has been shipped.
I want a refund.
Where is my package?
I am sorry for the trouble.
We will call you back within three hours.
Have a nice day. Goodbye.
"""

# The lines that the starter rules look for, hits and near misses: always trained on, never held out.
RULE_LINES = """
我们会尽快联系商家/我尽快帮您处理/我们会尽早给您答复/稍后会有专员联系您/我们会第一时间反馈/我们将联系商家并在三小时内电话回复您/我会在今天下午五点前给您答复/我们尽快联系商家，二十四小时内给您回复
应该可以吧/可能吧/大概是这样吧/这个不好说/差不多吧/可以的，肯定能退/您应该已经收到短信了/这个一定可以退
这个我保证不了/我没办法保证/不能给您保证/我向您保证今天发货/您放心，我保证给您办好
我也不清楚/这个我不知道/我不太了解/我帮您查一下/您知道订单号吗？/请问您清楚了吗？
您再等等吧/您就等通知吧/您耐心等着就行/请您等我一分钟/请您等待两个工作日
我要投诉/我已经为您登记工单/我们会给您回电话/到时候给您回电/一小时内给您回电话/明天上午十点给您回电
退款已经给您提交了/退款申请通过了/退款已经给您提交了，三个工作日内到账
这个不归我们管/您去找商家吧/您自己联系快递公司吧/这是物流的问题/我帮您联系快递公司/我来联系商家
请您提供一下截图/请您再提供一下凭证/麻烦您发一下照片/您过两天再打来/您明天再打过来吧/您改天再来电/我明天给您打过来/我过两天给您回访
我帮您转接到售后/我再帮您转接到物流部门/订单号是多少？/请问您的订单号是多少？/您的订单号是多少？
请您提供身份证照片和银行流水/请您提供购买凭证/还需要提供开箱视频/还需要检测报告/请您提供身份证照片
系统就是这样/系统不让操作/系统规定不能退/系统显示您的订单已经发货/这是公司规定/我们规定就是这样/没有这个先例/按照规定您可以退货
您好，很高兴为您服务/欢迎致电/感谢您的来电，祝您生活愉快，再见/你有病吧/你是不是傻/神经病/你给我闭嘴/您是看病用的药品吗？/请您不要着急
我都说了多少遍了/你听不懂吗？/你到底听清楚没有？/我刚才不是说了吗？/我再给您说一遍/请问您听清楚了吗？
是你自己没看清楚/那是你的问题/谁让你不看说明/是我们没说清楚/这是我们的问题
太差了/很失望/非常生气/不满意/我非常生气/我很失望/服务太差了/我不满意/非常抱歉给您带来不便/对不起/不好意思/理解您的心情
那我没办法/随便你/爱退不退/你看着办吧/我想办法帮您解决/您方便的时候再操作/请稍等/稍等一下/我查一下/请您稍等，我查一下
这么点小事至于吗？/这点钱你也要/就这点事/这不是小事，我马上登记/工号三零二五为您服务/您好，工号三零二五为您服务，请问有什么可以帮您？
你的服务真好/太感谢你了/你很有耐心/你的服务真不好/服务态度很差
您转到我的个人账户/您直接转账给我/您私下转账给我/请不要私下转账/请您不要给任何人转账
您把验证码告诉我/您把验证码发给我/您收到的验证码是多少？/请不要把验证码告诉任何人/我们不会向您索要验证码
您加我微信/您加我的扣扣/我们微信上说/我们不会加您微信/请您在平台内联系
您把密码告诉我/您的支付密码是多少？/请不要把密码告诉别人/您可以修改密码
我要打一二三一五/我要找消费者协会/我要曝光你们/我要找律师起诉/我不想找律师/我就是问一下
给个好评返五元红包/好评返现/您改成好评我给您返十元/感谢您的好评/您的身份证后四位是三六八二
我有你的地址/你给我等着/我知道你住在哪里/我核对一下您的地址/投诉也没有用/你去投诉吧/您别投诉了/您把投诉撤了/我帮您登记投诉
你们卖的是假货/这个是仿品/买到假的了/我不是说这是假货/看着不像假货/百分之百有效/全网最低价/保证治好/效果因人而异
"""


def _lines(block: str) -> list[str]:
    return [line.strip() for line in block.strip().splitlines() if line.strip()]


def _closed(text: str) -> str:
    return text if text[-1] in "。？" else text + "。"


RULES = [_closed(t) for t in re.split("[/\n]", RULE_LINES.strip()) if t]
_RULE_SET = frozenset(RULES)

# topic -> (role, templates, weight among single utterances)
TOPICS: dict[str, tuple[str, list[str], float]] = {
    "greeting": (AGENT, _lines(A_GREETING), 5),
    "identity": (AGENT, _lines(A_IDENTITY), 8),
    "query": (AGENT, _lines(A_QUERY), 12),
    "refund": (AGENT, _lines(A_REFUND), 10),
    "promise": (AGENT, _lines(A_PROMISE), 9),
    "bad": (AGENT, _lines(A_BAD), 11),
    "good": (AGENT, _lines(A_GOOD), 8),
    "closing": (AGENT, _lines(A_CLOSING), 2),
    "a_short": (AGENT, _lines(A_SHORT), 1.5),
    "open": (CUSTOMER, _lines(C_OPEN), 8),
    "info": (CUSTOMER, _lines(C_INFO), 10),
    "complain": (CUSTOMER, _lines(C_COMPLAIN), 10),
    "question": (CUSTOMER, _lines(C_QUESTION), 5),
    "thanks": (CUSTOMER, _lines(C_THANKS), 2),
    "c_short": (CUSTOMER, _lines(C_SHORT), 1.5),
    "a_talk": (AGENT, _lines(A_TALK), 9),
    "c_talk": (CUSTOMER, _lines(C_TALK), 8),
    "system": ("system", _lines(SYSTEM_LINES), 1),
}


def is_heldout(text: str) -> bool:
    """True for the fixed share of sentences that training never sees."""
    return text not in _RULE_SET and zlib.crc32(text.encode()) % HELDOUT_SHARE == 0


def from_topic(topic: str, rng: random.Random, heldout: bool | None = False) -> Utterance:
    """One utterance of a topic. heldout: True only held-out ones, False never, None does not care."""
    role, templates, _ = TOPICS[topic]
    slots = Slots(rng, bool(heldout))
    template = rng.choice(templates)
    for attempt in range(400):
        text = expand(template, slots)
        if heldout is None or is_heldout(text) == heldout:
            return Utterance(role, text, topic)
        if attempt % 8 == 7:
            template = rng.choice(templates)
    raise RuntimeError(f"topic {topic} gave no {'held-out' if heldout else 'training'} sentence")


_NAMES = list(TOPICS)
_WEIGHTS = [TOPICS[t][2] for t in _NAMES]
_WORDS: list[str] = []


def utterance(rng: random.Random, heldout: bool | None = False) -> Utterance:
    """One sentence of a service call, any topic."""
    for _ in range(50):
        if not heldout and rng.random() < 0.10:
            return Utterance(AGENT, rng.choice(RULES), "rule")
        topic = rng.choices(_NAMES, _WEIGHTS)[0]
        try:
            spoken = from_topic(topic, rng, heldout)
        except RuntimeError:
            continue
        join = rng.random()
        if join > 0.22 or heldout:
            return spoken
        joined = spoken.text
        if join < 0.12:
            joined = rng.choice(OPENERS) + "，" + joined
        else:
            other = from_topic(rng.choice([t for t in _NAMES if TOPICS[t][0] == spoken.role]), rng, heldout).text
            if len(joined) + len(other) < 45:
                joined = joined[:-1] + "，" + other
        if heldout is None or not is_heldout(joined):
            return Utterance(spoken.role, joined, topic)
    raise RuntimeError("the grammar is exhausted")


OPENERS = (
    "好的 嗯 行 对 是的 那 您好 你好 喂 不好意思 对不起 抱歉 没关系 不用了 可以的 没问题 明白了 知道了 收到了 看到了 查到了 "
    "您别着急 您放心 请您稍等 谢谢 那好 好吧 不行 不是 有的 没有 也行 也可以 当然 其实 现在 刚才 对了 另外 还有 所以 但是 就是 我跟你说 "
    "先生 女士 会的 不会 应该 真的 是吗 这样 这样吧 那行 哦 啊 哎 唉 让您久等了 麻烦您"
).split()


def word_sequence(rng: random.Random) -> Utterance:
    """Words or digits in no order that a language model could guess. For training only."""
    if not _WORDS:
        _WORDS.extend(words_pool())
    for _ in range(100):
        if rng.random() < 0.3:
            text = digit_words(rng, rng.randint(3, 18))
        else:
            text = "".join(rng.choice(_WORDS) for _ in range(rng.randint(2, 6)))
        if not is_heldout(text + "。"):
            return Utterance(CUSTOMER, text + "。", "words")
    raise RuntimeError("no word sequence")


def english(rng: random.Random) -> Utterance:
    return Utterance(AGENT, rng.choice(_lines(ENGLISH)), "english")


PLOTS = {
    "logistics": "greeting open identity info query question query question promise thanks closing thanks",
    "refund": "greeting open identity info refund question refund complain promise thanks closing thanks",
    "complaint": "greeting complain identity info good complain promise question promise thanks closing thanks",
    "rude": "greeting open identity info bad complain bad complain bad complain bad closing",
    "risk": "greeting open identity info query question bad c_short bad question bad thanks closing",
    "sales": "greeting open query question query c_short good thanks closing thanks",
    "promise": "greeting open identity info query complain good complain promise c_short promise thanks closing",
}


def dialogue(rng: random.Random, heldout: bool | None = False, topic: str | None = None) -> Dialogue:
    """A whole call: turns in order, agent and customer mostly by turns, sometimes two sentences in a turn."""
    topic = topic or rng.choice(list(PLOTS))
    turns = []
    for step in PLOTS[topic].split():
        if rng.random() < 0.12 and step not in ("greeting", "closing"):
            continue
        for _ in range(1 if rng.random() < 0.75 else 2):
            with contextlib.suppress(RuntimeError):
                turns.append(from_topic(step, rng, heldout))
        if rng.random() < 0.2:
            turns.append(
                Utterance(
                    AGENT if turns[-1:] and turns[-1].role == CUSTOMER else CUSTOMER,
                    rng.choice(("嗯。", "好的。", "对。", "是的。")),
                    "a_short",
                )
            )
    return Dialogue(tuple(turns), topic)


if __name__ == "__main__":
    demo = random.Random(0)
    for turn in dialogue(demo).turns:
        print(turn.role, turn.text)
    for _ in range(40):
        print(utterance(demo).text)
